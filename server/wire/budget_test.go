package wire

import (
	"math"
	"testing"
	"time"
)

func TestBudgetPackets(t *testing.T) {
	// A step sends count packets, one each every, after a pause, and pays
	// nothing in between.
	type step struct {
		pause  time.Duration
		count  int
		every  time.Duration
		passed int // how many of them there was budget for
	}
	second := time.Second
	tests := []struct {
		name   string
		limits *Limits
		steps  []step
	}{
		{"no limits", nil, []step{{count: 10_000, passed: 10_000}}},
		{"no limit", &Limits{PacketBurst: 10}, []step{{count: 10_000, passed: 10_000}}},
		{"burst", &Limits{Packets: 10, PacketBurst: 20}, []step{{count: 25, passed: 20}}},
		{"no burst of its own", &Limits{Packets: 10}, []step{{count: 15, passed: 10}}},
		{"what is dropped costs too", &Limits{Packets: 10, PacketBurst: 20}, []step{
			{count: 25, passed: 20},
			{pause: second / 2, count: 1, passed: 0},
			{pause: second / 5, count: 2, passed: 1},
		}},
		{"no more than the burst is saved", &Limits{Packets: 10, PacketBurst: 20}, []step{
			{count: 20, passed: 20},
			{pause: time.Hour, count: 21, passed: 20},
		}},
		{"at the rate", &Limits{Packets: 8, PacketBurst: 1}, []step{{count: 1000, every: second / 8, passed: 1000}}},
		{"twice the rate, and none is paid for", &Limits{Packets: 8, PacketBurst: 8}, []step{{count: 100, every: second / 16, passed: 15}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := Budget{Limits: tt.limits}
			now := time.Unix(1_700_000_000, 123)
			refused := 0
			for i, s := range tt.steps {
				now = now.Add(s.pause)
				passed := 0
				for range s.count {
					if b.Packet(now) {
						passed++
					}
					now = now.Add(s.every)
				}
				refused += s.count - passed
				if passed != s.passed {
					t.Errorf("step %d: %d passed, want %d", i, passed, s.passed)
				}
			}
			if got := tt.limits.Refused(); tt.limits != nil && got != uint64(refused) {
				t.Errorf("%d counted as refused, want %d", got, refused)
			}
		})
	}
}

func TestBudgetPause(t *testing.T) {
	tests := []struct {
		name    string
		limits  *Limits
		packets int
		bytes   int
		pause   time.Duration
	}{
		{"within", &Limits{Packets: 10, PacketBurst: 20, Bytes: 100, ByteBurst: 1000}, 20, 999, 0},
		{"one packet over", &Limits{Packets: 10, PacketBurst: 20}, 21, 0, 200 * time.Millisecond},
		{"the rest is forgiven", &Limits{Packets: 10, PacketBurst: 20}, 1000, 0, time.Second},
		{"bytes over", &Limits{Bytes: 1000, ByteBurst: 2000}, 1, 2499, 500 * time.Millisecond},
		{"all bytes", &Limits{Bytes: 1000, ByteBurst: 2000}, 1, 2000, time.Millisecond},
		{"bytes forgiven", &Limits{Bytes: 1000, ByteBurst: 2000}, 1, 1 << 30, time.Second},
		{"the longer of both", &Limits{Packets: 10, PacketBurst: 20, Bytes: 1000, ByteBurst: 2000}, 21, 2499, 500 * time.Millisecond},
		{"no limit on bytes", &Limits{Packets: 10, PacketBurst: 20}, 1, 1 << 30, 0},
		{"slowest rate", &Limits{Packets: 1}, 2, 0, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := Budget{Limits: tt.limits}
			now := time.Unix(1_700_000_000, 123)
			for range tt.packets {
				b.Packet(now)
			}
			pause, over := b.Settle(tt.bytes, now)
			if math.Abs(float64(pause-tt.pause)) > 2 || over {
				t.Fatalf("pause of %v, over %v, want %v", pause, over, tt.pause)
			}
			if got := b.Paused(); got != pause {
				t.Errorf("%v in pauses, want %v", got, pause)
			}
			// What comes right after a pause is handled.
			if pause > 0 && !b.Packet(now.Add(pause)) {
				t.Error("the debt is not paid when the pause is over")
			}
		})
	}
}

func TestBudgetNames(t *testing.T) {
	limits := Limits{Packets: 10, PacketBurst: 25}
	b := Budget{Limits: &limits}
	now := time.Unix(1_700_000_000, 123)
	left := func() (n int) {
		for b.Packet(now) {
			n++
		}
		b = Budget{Limits: &limits, name: b.name}
		return n
	}
	for i, step := range []struct {
		name string
		left int
	}{{"a", 24}, {"a", 24}, {"b", 15}, {"a", 15}} {
		b.Packet(now)
		b.Name(step.name, now)
		if got := left(); got != step.left {
			t.Errorf("step %d, name %s: %d packets are left, want %d", i, step.name, got, step.left)
		}
	}
	b.Charge(20, now)
	if got := left(); got != 5 {
		t.Errorf("after a charge of 20 packets %d are left of 25", got)
	}
}

// TestBudgetOver sends n packets each second, as a peer that is not read during
// pauses.
func TestBudgetOver(t *testing.T) {
	tests := []struct {
		name      string
		perSecond func(second int) int
		over      time.Duration // when, or 0
	}{
		{"at the rate", func(int) int { return 10 }, 0},
		{"a little over it", func(int) int { return 12 }, 10 * time.Second},
		{"far over it", func(int) int { return 10_000 }, 10 * time.Second},
		{"over it in nine of ten seconds", func(s int) int { return 10_000 * min(s%10, 1) }, 0},
		{"over it now and then", func(s int) int { return 40 * (s % 2) }, 0},
		{"over it in two of four seconds", func(s int) int { return 40 * (s % 4 / 2) }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := Budget{Limits: &Limits{Packets: 10, PacketBurst: 10}}
			start := time.Unix(1_700_000_000, 123)
			now, first := start, time.Time{}
			for second := 0; second < 60; second++ {
				for range tt.perSecond(second) {
					b.Packet(now)
				}
				for next := start.Add(time.Duration(second+1) * time.Second); now.Before(next); {
					pause, over := b.Settle(0, now)
					if pause > 0 && first.IsZero() {
						first = now
					}
					if over {
						if after := now.Sub(first); tt.over == 0 || after < tt.over || after > tt.over+2*time.Second {
							t.Fatalf("over after %v, want %v", after, tt.over)
						}
						return
					}
					if now = now.Add(pause); pause == 0 {
						now = next
					}
				}
			}
			if tt.over > 0 {
				t.Error("never over")
			}
		})
	}
}

func TestBudgetAllocates(t *testing.T) {
	b := Budget{Limits: &Limits{Packets: 10, PacketBurst: 10, Bytes: 10}}
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { b.Packet(now); b.Settle(10, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBudget(b *testing.B) {
	budget := Budget{Limits: &Limits{Packets: 1e9, Bytes: 1e9}}
	now := time.Now()
	for b.Loop() {
		budget.Packet(now)
		budget.Settle(100, now)
	}
}
