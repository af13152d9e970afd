package look

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAddressesAreUsableElsewhereAndEachIsToldOnce(t *testing.T) {
	told, err := addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range told {
		if address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified() {
			t.Error(address)
		}
	}
	if !slices.IsSortedFunc(told, netip.Addr.Compare) || len(slices.Compact(slices.Clone(told))) != len(told) {
		t.Errorf("%v", told)
	}
}
