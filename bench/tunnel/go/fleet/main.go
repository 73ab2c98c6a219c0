// A fleet of managed clusters for soak tests: thousands of agents with Guardian's timings, some of which send flows as
// Goldmane does, behind a proxy that cuts, delays and freezes their connections. It is told what to do by lines of JSON
// on stdin and answers each with a line on stdout.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"flag"
	"os"
	"time"
)

var (
	agents      = flag.Int("agents", 0, "how many clusters")
	senders     = flag.Int("senders", 0, "how many of them send flows")
	prefix      = flag.String("prefix", "", "what their names begin with; a number follows")
	managerAt   = flag.String("manager", "", "the manager's address")
	serverName  = flag.String("server-name", "", "what the manager's certificate is to name")
	authority   = flag.String("ca", "", "file with the certificate that signed the manager's")
	registered  = flag.String("certificates", "", "file to write the clusters' public certificates to")
	flowsPeriod = flag.Duration("flows-period", 2*time.Second, "between two windows of flows")
	flowsCount  = flag.Int("flows-count", 25, "flows in a window")
)

type command struct {
	Op string `json:"op"`
	On bool   `json:"on"`
	// Of the faults: how many connections are cut, delayed and frozen a second, each.
	Rate float64 `json:"rate"`
}

func main() {
	flag.Parse()
	identities := makeIdentities(*prefix, *agents)
	writeCertificates(*registered, identities)
	say(map[string]int{"made": len(identities)})

	roots := x509.NewCertPool()
	pem, err := os.ReadFile(*authority)
	check(err)
	if !roots.AppendCertsFromPEM(pem) {
		panic("no certificate in " + *authority)
	}
	faults := newFaults(*managerAt)
	clusters := make([]*agent, len(identities))
	goldmanes := make([]*goldmane, min(*senders, len(identities)))
	for at, identity := range identities {
		clusters[at] = newAgent(identity, faults.address(), roots)
		if at < len(goldmanes) {
			goldmanes[at] = newGoldmane(clusters[at], roots)
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		check(json.Unmarshal(lines.Bytes(), &c))
		switch c.Op {
		case "connect":
			for _, cluster := range clusters {
				go cluster.run()
			}
		case "flows":
			for _, sender := range goldmanes {
				sender.setOn(c.On)
			}
		case "faults":
			faults.setRate(c.Rate)
		case "state":
		default:
			panic("unknown command " + c.Op)
		}
		say(stateOf(clusters, goldmanes, faults))
	}
}

type state struct {
	Agents agentCounts `json:"agents"`
	Flows  flowCounts  `json:"flows"`
	Faults faultCounts `json:"faults"`
}

func stateOf(clusters []*agent, goldmanes []*goldmane, faults *faults) state {
	s := state{Faults: faults.counts()}
	s.Agents.Failures = map[string]int64{}
	for _, cluster := range clusters {
		cluster.addTo(&s.Agents)
	}
	for _, sender := range goldmanes {
		sender.addTo(&s.Flows)
	}
	return s
}

func say(what any) {
	check(json.NewEncoder(os.Stdout).Encode(what))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
