package probe

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// sourceAddresses is a prefix walked round and round, by several engines at once.
type sourceAddresses struct {
	prefix netip.Prefix
	steps  atomic.Uint64
}

// next is the address after the one that was returned last.
func (a *sourceAddresses) next() netip.Addr {
	size := uint64(1) << (a.prefix.Addr().BitLen() - a.prefix.Bits())
	raw := a.prefix.Addr().As16()
	low := raw[8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)+(a.steps.Add(1)-1)%size)
	return netip.AddrFrom16(raw).Unmap()
}
