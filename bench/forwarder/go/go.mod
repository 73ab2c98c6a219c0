module kubectl-mcm/bench/forwarder

go 1.24
