package main

// What of the files in docs/bench is drawn.
type figures struct {
	scale struct {
		Idle []struct {
			Connections int     `json:"connections"`
			Bytes       float64 `json:"bytes"`
		} `json:"idle"`
		Joins []struct {
			Presence string `json:"presence"`
			Users    int    `json:"users"`
			Join     cost   `json:"join"`
			Leave    cost   `json:"leave"`
			Together cost   `json:"together"`
		} `json:"joins"`
	}
	cluster struct {
		Presence []struct {
			Presence  string `json:"presence"`
			Instances int    `json:"instances"`
			Users     int    `json:"users"`
			Join      struct {
				Bytes float64 `json:"bytes"`
			} `json:"join"`
		} `json:"presence"`
	}
	simulation struct {
		Instances int `json:"instances"`
		Curves    []struct {
			Presence string    `json:"presence"`
			Users    []float64 `json:"users"`
			Bits     []float64 `json:"bits"`  // a second that an instance sends
			Cores    []float64 `json:"cores"` // that an instance needs
		} `json:"curves"`
	}
}

type cost struct {
	CPU   float64 `json:"cpu"`
	Bytes float64 `json:"bytes"`
}

// plots are all pictures, by name.
func (f *figures) plots() map[string]*plot {
	memory := series{name: "resident memory"}
	for _, c := range f.scale.Idle {
		memory.points = append(memory.points, point{float64(c.Connections), c.Bytes / 1e6})
	}
	joins := func(presence string, of func(join, together cost) float64) (all []point) {
		for _, c := range f.scale.Joins {
			if c.Presence == presence {
				all = append(all, point{float64(c.Users), of(c.Join, c.Together)})
			}
		}
		return all
	}
	traffic := func(presence string, users int) (all []point) {
		for _, c := range f.cluster.Presence {
			if c.Presence == presence && c.Users == users {
				all = append(all, point{float64(c.Instances), c.Join.Bytes})
			}
		}
		return all
	}
	load := &plot{title: "What one of the instances sends, and what it could send", x: "users of the whole cluster", y: "bits a second", log: true}
	for _, c := range f.simulation.Curves {
		s := series{name: "PRESENCE=" + c.Presence}
		for i, users := range c.Users {
			s.points = append(s.points, point{users, c.Bits[i]})
		}
		load.series = append(load.series, s)
		if len(s.points) > 0 && c.Presence == "none" {
			ends := []point{{s.points[0].x, 1e9}, {s.points[len(s.points)-1].x, 1e9}}
			load.series = append(load.series, series{name: "a network of 1 Gbit/s", points: ends, dashed: true})
		}
	}
	return map[string]*plot{
		"scale-memory": {
			title: "Memory of one instance by idle connections", x: "connections", y: "MB",
			series: []series{memory},
		},
		"scale-join-cpu": {
			title: "CPU of one join, by how many users are there", x: "users", y: "ms",
			series: []series{
				{name: "PRESENCE=all, one by one", points: joins("all", func(join, _ cost) float64 { return join.CPU / 1e3 })},
				{name: "all, 50 at once", points: joins("all", func(_, together cost) float64 { return together.CPU / 1e3 })},
				{name: "PRESENCE=none", points: joins("none", func(join, _ cost) float64 { return join.CPU / 1e3 })},
			},
		},
		"scale-join-bytes": {
			title: "Bytes that one join makes a server send, by how many users are there", x: "users", y: "KB",
			series: []series{
				{name: "PRESENCE=all", points: joins("all", func(join, _ cost) float64 { return join.Bytes / 1e3 })},
				{name: "PRESENCE=none", points: joins("none", func(join, _ cost) float64 { return join.Bytes / 1e3 })},
			},
		},
		"cluster-presence": {
			title: "Bytes to and from Redis for one join, by instances", x: "instances", y: "bytes",
			series: []series{
				{name: "all, 100 users", points: traffic("all", 100)},
				{name: "all, 2,000 users", points: traffic("all", 2000)},
				{name: "none, 100 users", points: traffic("none", 100)},
				{name: "none, 2,000 users", points: traffic("none", 2000)},
			},
		},
		"simulate-load": load,
	}
}
