package hub

// A Roster is the list of all names, kept as the JSON that it is sent as, in
// the order of their registration. It is not safe for concurrent use.
type Roster struct {
	pages []*page
	at    map[*User]*page
}

// A page is a part of the list, so that who leaves is found, and cut out,
// without going through all.
type page struct {
	users []*User
	names []byte // `,"a","b"`, in the order of users
}

// pageUsers is how many users a page has at most.
const pageUsers = 512

// Add appends u, whose name is not in the roster.
func (r *Roster) Add(u *User) {
	if r.at == nil {
		r.at = make(map[*User]*page)
	}
	if n := len(r.pages); n == 0 || len(r.pages[n-1].users) == pageUsers {
		r.pages = append(r.pages, new(page))
	}
	p := r.pages[len(r.pages)-1]
	p.users = append(p.users, u)
	p.names = append(append(p.names, ','), u.JSON...)
	r.at[u] = p
}

// Remove removes u, if it is there.
func (r *Roster) Remove(u *User) {
	p := r.at[u]
	if p == nil {
		return
	}
	delete(r.at, u)
	i, start, end := p.find(u)
	copy(p.users[i:], p.users[i+1:])
	p.users[len(p.users)-1] = nil
	p.users = p.users[:len(p.users)-1]
	p.names = append(p.names[:start], p.names[end:]...)
	if len(p.users) > 0 {
		return
	}
	for i := range r.pages {
		if r.pages[i] == p {
			r.pages = append(r.pages[:i], r.pages[i+1:]...)
			return
		}
	}
}

// Replace puts u in the place of old, who has the same name.
func (r *Roster) Replace(old, u *User) {
	p := r.at[old]
	if p == nil {
		return
	}
	i, _, _ := p.find(old)
	p.users[i] = u
	delete(r.at, old)
	r.at[u] = p
}

// Len is the number of names.
func (r *Roster) Len() int { return len(r.at) }

// find returns where u stands, its comma included. It is there.
func (p *page) find(u *User) (i, start, end int) {
	for i, v := range p.users {
		end = start + 1 + len(v.JSON)
		if v == u {
			return i, start, end
		}
		start = end
	}
	return -1, 0, 0
}

// AppendNames appends all names but except's as JSON strings with commas between
// them. except may be nil, and a nil Roster is empty.
func (r *Roster) AppendNames(dst []byte, except *User) []byte {
	if r == nil {
		return dst
	}
	start := len(dst)
	for _, p := range r.pages {
		names := p.names
		if except != nil && r.at[except] == p {
			_, from, to := p.find(except)
			dst = append(dst, names[:from]...)
			names = names[to:]
		}
		dst = append(dst, names...)
	}
	if len(dst) > start { // without the first comma
		dst = dst[:start+copy(dst[start:], dst[start+1:])]
	}
	return dst
}
