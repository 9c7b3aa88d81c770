"""OKX v5 through ccxt: its markets and signatures, our own pooled transport.

ccxt's `create_order` costs twice a bare signed request, turns unclear answers into errors that
look like rejections, and puts expTime where OKX ignores it (docs/performance.md). So ccxt loads
the markets and signs; the request, and what its answer proves, are ours.
"""

from venues.okx.gateway import OkxGateway

__all__ = ["OkxGateway"]
