package probe
func Main([]string) int { return 0 }
