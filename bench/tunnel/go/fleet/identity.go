package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"sync"
	"time"
)

// identity is what add-cluster makes for a cluster's tunnel: a key, and a certificate that signs itself.
type identity struct {
	name        string
	certificate tls.Certificate
}

func makeIdentities(prefix string, count int) []identity {
	identities := make([]identity, count)
	var group sync.WaitGroup
	for worker := range runtime.NumCPU() {
		group.Go(func() {
			for at := worker; at < count; at += runtime.NumCPU() {
				identities[at] = makeIdentity(fmt.Sprintf("%s-%d", prefix, at), int64(at)+1)
			}
		})
	}
	group.Wait()
	return identities
}

func makeIdentity(name string, serial int64) identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name, OrganizationalUnit: []string{"tunnel"}},
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(7 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	return identity{name, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}

// writeCertificates writes a line of JSON for each cluster, for somebody to register them.
func writeCertificates(file string, identities []identity) {
	output, err := os.Create(file)
	check(err)
	encoder := json.NewEncoder(output)
	for _, identity := range identities {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: identity.certificate.Certificate[0]}
		check(encoder.Encode(map[string]string{"name": identity.name, "certificate": string(pem.EncodeToMemory(block))}))
	}
	check(output.Close())
}
