"""A policy by its word on the command line: `static`, `hybrid`, `dynamic`, `brain`, `brain:TREND`."""

from __future__ import annotations

from dataclasses import replace

from position_monitor.core.model.settings import DEFAULT_PROFILE, Policy, ProtectionSettings
from position_monitor.errors import BadInput


def settings_under(settings: ProtectionSettings, word: str) -> ProtectionSettings:
    """The settings with another policy. Raises `BadInput` for a policy or a profile that there is none of.

    `brain` alone lets the regime choose the profile; a profile after another policy means nothing and is refused.
    """
    name, colon, profile = word.strip().partition(":")
    policies = [policy.value for policy in Policy]
    if name.lower() not in policies:
        raise BadInput(f"the policy was {word!r}; expected one of {', '.join(policies)}, or {Policy.BRAIN}:PROFILE")
    policy = Policy(name.lower())
    if colon and policy is not Policy.BRAIN:
        raise BadInput(f"the policy was {word!r}; only {Policy.BRAIN} has profiles")
    profile = profile.upper() if colon else DEFAULT_PROFILE
    profiles = [DEFAULT_PROFILE, *settings.exits.profiles]
    if profile not in profiles:
        raise BadInput(f"the profile was {profile!r}; expected one of {', '.join(profiles)}")
    return replace(settings, policy=policy, profile=profile)
