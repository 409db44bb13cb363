package events

// A Roster is the list of all names, kept as the JSON that it is sent as, in
// the order of their registration. It is not safe for concurrent use.
type Roster struct {
	users []*User
	names []byte // `,"a","b"`, in the order of users
}

// Add appends u, whose name is not in the roster.
func (r *Roster) Add(u *User) {
	r.users = append(r.users, u)
	r.names = append(append(r.names, ','), u.JSON...)
}

// Remove removes u, if it is there.
func (r *Roster) Remove(u *User) {
	i, start, end := r.find(u)
	if i < 0 {
		return
	}
	copy(r.users[i:], r.users[i+1:])
	r.users[len(r.users)-1] = nil
	r.users = r.users[:len(r.users)-1]
	r.names = append(r.names[:start], r.names[end:]...)
}

// Replace puts u in the place of old, who has the same name.
func (r *Roster) Replace(old, u *User) {
	if i, _, _ := r.find(old); i >= 0 {
		r.users[i] = u
	}
}

// Len is the number of names.
func (r *Roster) Len() int { return len(r.users) }

// find returns where u stands, its comma included.
func (r *Roster) find(u *User) (i, start, end int) {
	for i, v := range r.users {
		end = start + 1 + len(v.JSON)
		if v == u {
			return i, start, end
		}
		start = end
	}
	return -1, 0, 0
}

// AppendUserList appends `["user-list",{"users":[…]}]` with all names but
// except's; except may be nil, and a nil Roster is empty.
func (r *Roster) AppendUserList(dst []byte, except *User) []byte {
	dst = append(dst, `["user-list",{"users":[`...)
	if r != nil {
		_, start, end := r.find(except)
		before, after := r.names[:start], r.names[end:]
		if len(before) == 0 {
			before, after = after, nil
		}
		if len(before) > 0 {
			dst = append(append(dst, before[1:]...), after...)
		}
	}
	return append(dst, `]}]`...)
}
