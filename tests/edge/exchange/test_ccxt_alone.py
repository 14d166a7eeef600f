"""ccxt's one class is loaded without the other venues, and the rest of ccxt stays usable (DESIGN 8, memory)."""

import subprocess
import sys
import textwrap

import ccxt.async_support as whole
import pytest

from position_monitor.edge.http import ccxt_alone, ccxt_transport


def in_a_fresh_process(script: str) -> str:
    """What a script prints in a process where nothing has imported ccxt."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_only_the_file_of_the_one_venue_is_imported():
    said = in_a_fresh_process(
        """
        import sys
        names = []
        class Witness:
            def find_spec(self, name, path=None, target=None):
                names.append(name)
        sys.meta_path.insert(0, Witness())
        from position_monitor.edge.http import ccxt_alone
        venue = ccxt_alone.binanceusdm()
        print(venue.__name__, venue({}).urls["api"]["fapiPrivate"])
        print(sorted(name for name in set(names) if name.startswith("ccxt.async_support.") and name.count(".") == 2))
        print([name for name in sys.modules if name.partition(".")[0] in ("ccxt", "requests", "cryptography")])
        """
    )
    assert said.splitlines() == [
        "binanceusdm https://fapi.binance.com/fapi/v1",
        "['ccxt.async_support.base', 'ccxt.async_support.binance', 'ccxt.async_support.binanceusdm']",
        "[]",
    ]


def test_whoever_imports_ccxt_later_gets_all_of_it():
    said = in_a_fresh_process(
        """
        from position_monitor.edge.http import ccxt_alone
        ours = ccxt_alone.binanceusdm()
        import ccxt.async_support, requests
        print(len(ccxt.exchanges) > 50, ccxt.async_support.kraken({}).id, ccxt.async_support.binanceusdm is ours)
        print(requests.Session().verify, hasattr(ccxt.async_support.binanceusdm, "fapiPrivatePostAlgoOrder"))
        """
    )
    assert said.split() == ["True", "kraken", "False", "True", "True"]


def test_whoever_has_imported_requests_keeps_it():
    said = in_a_fresh_process(
        """
        import requests
        from position_monitor.edge.http import ccxt_alone
        ccxt_alone.binanceusdm()
        import sys
        print(sys.modules["requests"] is requests, requests.Session().verify)
        """
    )
    assert said.split() == ["True", "True"]


def test_a_private_key_signs_as_with_the_whole_of_ccxt():
    """What ccxt takes of `cryptography` is imported when such a key signs; the other end accepts the signature."""
    said = in_a_fresh_process(
        """
        import base64, sys, urllib.parse
        from position_monitor.edge.http import ccxt_alone
        venue = ccxt_alone.binanceusdm()
        print("cryptography" in sys.modules)
        from cryptography.hazmat.primitives import hashes, serialization as ways
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
        small, large = ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)
        for key, how in ((small, ()), (large, (padding.PKCS1v15(), hashes.SHA256()))):
            pem = key.private_bytes(ways.Encoding.PEM, ways.PrivateFormat.PKCS8, ways.NoEncryption()).decode()
            client = venue({"apiKey": "k", "secret": pem})
            url = client.sign("openAlgoOrders", ("fapiPrivate",), "GET", {"symbol": "BTCUSDT"})["url"]
            signed, signature = url.partition("?")[2].split("&signature=")
            key.public_key().verify(base64.b64decode(urllib.parse.unquote(signature)), signed.encode(), *how)
            print("accepted")
        """
    )
    assert said.split() == ["False", "accepted", "accepted"]


def test_every_call_is_one_that_ccxt_lists_for_the_venue():
    listed = whole.binanceusdm({}).describe()["api"]
    for path, (interface,), method in ccxt_transport._CALLS.values():
        assert path in listed[interface][method.lower()]


def test_where_ccxt_is_imported_already_its_own_class_is_used():
    assert ccxt_alone.binanceusdm() is whole.binanceusdm


@pytest.mark.parametrize("defect", ["ImportError", "AttributeError"])
def test_a_release_that_does_not_bear_it_is_imported_whole(defect):
    said = in_a_fresh_process(
        f"""
        from position_monitor.edge.http import ccxt_alone
        def broken(absent):
            raise {defect}("changed")
        ccxt_alone._stand_in = broken
        ours = ccxt_alone.binanceusdm()
        import ccxt.async_support
        print(ccxt.async_support.binanceusdm is ours)
        """
    )
    assert said.split() == ["True"]
