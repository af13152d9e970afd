module svcproof.dev/echo-hostname

go 1.26.0

require (
	github.com/miekg/dns v1.1.72 // only for tests
	golang.org/x/net v0.61.0
	golang.org/x/sys v0.49.0
)

require (
	golang.org/x/mod v0.31.0 // indirect
	golang.org/x/sync v0.19.0 // indirect
	golang.org/x/tools v0.40.0 // indirect
)
