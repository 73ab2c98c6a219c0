module kubectl-mcm/bench/tunnel

go 1.25

require github.com/hashicorp/yamux v0.1.2
