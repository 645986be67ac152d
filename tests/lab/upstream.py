"""For ``mitmdump -s``: names are resolved by the lab's own resolver, with real DNS over UDP.

Loaded by path, so it imports nothing of ours."""

from __future__ import annotations

from mitmproxy import addonmanager, ctx, proxy
from mitmproxy_rs.dns import DnsResolver


class Upstream:
    """The address of a server is what the resolver says; the request keeps its name."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option("lab_resolver", str, "", "Address of the lab's resolver.")

    async def server_connect(self, data: proxy.server_hooks.ServerConnectionHookData) -> None:
        assert data.server.address is not None
        name, port = data.server.address[0], data.server.address[1]
        resolver = DnsResolver(name_servers=[ctx.options.lab_resolver], use_hosts_file=False)
        data.server.address = ((await resolver.lookup_ipv4(name))[0], port)


addons = [Upstream()]
