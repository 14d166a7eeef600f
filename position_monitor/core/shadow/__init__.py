"""What another policy would do with a position, worked out beside the live one. Nothing here can name an order.

Entry point: `shadow_book.shadow_book`. It is asked when the live decision is made and everything it wants is sent; what
it answers is published and read by nobody who decides.
"""
