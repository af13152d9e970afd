package look

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// addresses are those of the links that are up, sorted, without what is only meant
// for one link or for this very machine.
func addresses() ([]netip.Addr, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	found := []netip.Addr{}
	for _, link := range links {
		if link.Flags&net.FlagUp == 0 {
			continue
		}
		own, err := link.Addrs()
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", link.Name, err)
		}
		for _, each := range own {
			prefix, err := netip.ParsePrefix(each.String())
			if address := prefix.Addr(); err == nil && address.IsGlobalUnicast() {
				found = append(found, address)
			}
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found), nil
}
