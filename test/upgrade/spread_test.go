package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// percentile is the p-th of times, which are sorted.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[min(len(times)-1, len(times)*p/100)]
}

// durations tells what p50, p99 and max of some times are.
func durations(times []time.Duration) string {
	slices.Sort(times)
	const unit = 10 * time.Millisecond
	return fmt.Sprintf("p50 %v, p99 %v, max %v",
		percentile(times, 50).Round(unit), percentile(times, 99).Round(unit), percentile(times, 100).Round(unit))
}

// A spread is when something happened to many users.
type spread []time.Time

func spreadOf[E any](all []E, when func(E) time.Time) (s spread) {
	for _, e := range all {
		s = append(s, when(e))
	}
	slices.SortFunc(s, time.Time.Compare)
	return s
}

// most is how many of them fall into any window of this length.
func (s spread) most(window time.Duration) (most int) {
	first := 0
	for i, at := range s {
		for at.Sub(s[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// share is most as a part of all.
func (s spread) share(window time.Duration) float64 {
	return float64(s.most(window)) / float64(max(1, len(s)))
}

// early is how many of them come too early for all to be spread over this long since
// then, at least.
func (s spread) early(since time.Time, over time.Duration) (early int) {
	for i, at := range s {
		due := since.Add(over * time.Duration(i) / time.Duration(len(s)))
		if at.Before(due) {
			early++
		}
	}
	return early
}

// histogram counts by steps since a time.
func (s spread) histogram(since time.Time, step time.Duration) string {
	var counts []int
	for _, at := range s {
		i := max(0, int(at.Sub(since)/step))
		for len(counts) <= i {
			counts = append(counts, 0)
		}
		counts[i]++
	}
	return strings.Trim(fmt.Sprint(counts), "[]")
}

// mostAway is how many users were not reachable at the same time, at most.
func mostAway(all []outage) int {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, o := range all {
		changes = append(changes, change{o.told, 1}, change{o.back, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	away, most := 0, 0
	for _, c := range changes {
		away += c.by
		most = max(most, away)
	}
	return most
}
