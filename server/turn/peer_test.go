package turn

import (
	"net"
	"net/netip"
	"testing"
)

func TestPeerRule(t *testing.T) {
	const (
		never = iota
		withPrivate
		always
	)
	interfaces := []net.Addr{
		mustCIDR("127.0.0.1/8"), mustCIDR("::1/128"), mustCIDR("10.9.8.7/24"), mustCIDR("5.6.7.8/28"),
		mustCIDR("5.6.7.9/32"), mustCIDR("5.6.8.0/31"), mustCIDR("2a00:1::7/64"), mustCIDR("fe80::7/64"),
	}
	public := netip.MustParseAddr("5.6.7.8")
	rules := map[bool]*peerRule{}
	for _, allowPrivate := range []bool{false, true} {
		r, err := newPeerRule(public, interfaces, allowPrivate)
		if err != nil {
			t.Fatal(err)
		}
		rules[allowPrivate] = r
	}
	for _, test := range []struct {
		ip   string
		want int
	}{
		{"8.8.8.8", always}, {"1.1.1.1", always}, {"9.255.255.255", always}, {"11.0.0.0", always},
		{"100.63.255.255", always}, {"100.128.0.0", always}, {"126.255.255.255", always}, {"128.0.0.0", always},
		{"169.253.255.255", always}, {"169.255.0.0", always}, {"172.15.255.255", always}, {"172.32.0.0", always},
		{"192.167.255.255", always}, {"192.169.0.0", always}, {"192.0.1.0", always}, {"198.17.255.255", always},
		{"198.20.0.0", always}, {"223.255.255.255", always}, {"2606:4700::1111", always}, {"2a00:1450::1", always},
		{"2400:cb00::1", always}, {"2001:200::1", always}, {"::ffff:8.8.8.8", always}, {"64:ff9b::808:808", always},
		{"2002:808:808::1", always}, {"3ffe::1", always},

		{"10.0.0.0", withPrivate}, {"10.255.255.255", withPrivate}, {"172.16.0.1", withPrivate}, {"172.31.255.255", withPrivate},
		{"192.168.0.1", withPrivate}, {"192.168.255.255", withPrivate}, {"100.64.0.0", withPrivate}, {"100.127.255.255", withPrivate},
		{"100.100.100.200", withPrivate}, {"127.0.0.1", withPrivate}, {"127.1.2.3", withPrivate}, {"169.254.0.1", withPrivate},
		{"169.254.169.254", withPrivate}, {"::1", withPrivate}, {"fe80::1", withPrivate}, {"febf::1", withPrivate},
		{"fec0::1", withPrivate}, {"fc00::1", withPrivate}, {"fd00:ec2::254", withPrivate}, {"fdff:ffff::1", withPrivate},
		{"::ffff:127.0.0.1", withPrivate}, {"::ffff:10.0.0.1", withPrivate}, {"::ffff:169.254.169.254", withPrivate},
		{"64:ff9b::7f00:1", withPrivate}, {"64:ff9b::a00:1", withPrivate}, {"64:ff9b::a9fe:a9fe", withPrivate},
		{"2002:7f00:1::", withPrivate}, {"2002:a00:1::1", withPrivate}, {"2002:c0a8:1::1", withPrivate},

		{"0.0.0.0", never}, {"0.0.0.1", never}, {"0.255.255.255", never}, {"192.0.0.1", never}, {"192.0.0.170", never},
		{"192.0.2.1", never}, {"192.88.99.1", never}, {"198.18.0.1", never}, {"198.19.255.255", never},
		{"198.51.100.1", never}, {"203.0.113.1", never}, {"224.0.0.1", never}, {"224.0.0.251", never},
		{"239.255.255.250", never}, {"240.0.0.1", never}, {"255.255.255.254", never}, {"255.255.255.255", never},
		{"::", never}, {"::2", never}, {"::7f00:1", never}, {"::a00:1", never}, {"ff02::1", never}, {"ff0e::1", never},
		{"100::1", never}, {"2001::1", never}, {"2001:0:a00:1::", never}, {"2001:10::1", never}, {"2001:20::1", never},
		{"2001:db8::1", never}, {"3fff::1", never}, {"4000::1", never}, {"5f00::1", never}, {"64:ff9b:1::7f00:1", never},
		{"64:ff9b::1:808:808", never}, {"1fff::1", never}, {"fe00::1", never}, {"::ffff:0:7f00:1", never},
		{"::ffff:0.0.0.0", never}, {"::ffff:255.255.255.255", never}, {"64:ff9b::ffff:ffff", never}, {"64:ff9b::", never},
		{"2002:e000:1::1", never}, {"2002::1", never},

		// This host's.
		{"5.6.7.8", always}, {"::ffff:5.6.7.8", always}, {"5.6.7.9", never}, {"64:ff9b::506:709", never},
		{"2002:506:709::1", never}, {"2a00:1::7", never}, {"2a00:1::8", always}, {"5.6.7.10", always}, {"5.6.8.1", always},
		{"10.9.8.7", withPrivate}, {"fe80::7", withPrivate},
		// Broadcast addresses of its networks.
		{"5.6.7.15", never}, {"10.9.8.255", never}, {"::ffff:10.9.8.255", never}, {"127.255.255.255", never}, {"10.9.7.255", withPrivate},
	} {
		t.Run(test.ip, func(t *testing.T) {
			ip := netip.MustParseAddr(test.ip)
			for allowPrivate, r := range rules {
				want := test.want == always || test.want == withPrivate && allowPrivate
				if got := r.allows(ip); got != want {
					t.Errorf("allowPrivate %v: allowed %v", allowPrivate, got)
				}
			}
		})
	}
	for allowPrivate, r := range rules {
		if r.allows(netip.Addr{}) {
			t.Errorf("allowPrivate %v: no address at all is allowed", allowPrivate)
		}
	}
}

// mustCIDR is the address of an interface, as the net package gives it.
func mustCIDR(s string) net.Addr {
	ip, network, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	return &net.IPNet{IP: ip, Mask: network.Mask}
}

func BenchmarkPeerRule(b *testing.B) {
	r, err := newPeerRule(netip.MustParseAddr("5.6.7.8"), nil, false)
	if err != nil {
		b.Fatal(err)
	}
	ip := netip.MustParseAddr("8.8.8.8")
	b.ReportAllocs()
	for b.Loop() {
		if !r.allows(ip) {
			b.Fatal("refused")
		}
	}
}
