package turn

import (
	"encoding/json"
	"strings"
	"time"
)

// ICE is what clients are told about ICE servers. It must not change once used;
// its methods may then be called concurrently.
//
// Not every TURN server takes every user id as part of a name: coturn 4.6
// refuses those with blanks, quotes or backslashes.
type ICE struct {
	STUN   []string      // URLs; none: no STUN
	TURN   []string      // URLs; none: no TURN, and nothing below counts
	Secret string        // shared with the TURN servers
	TTL    time.Duration // how long credentials are good, in whole seconds; 0: one hour
}

type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

type iceServers struct {
	Servers []iceServer `json:"iceServers"`
	*turnREST
}

// turnREST has the fields of the TURN REST convention
// (draft-uberti-behave-turn-rest-00, section 2.2).
type turnREST struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TTL      int64    `json:"ttl"`
	URIs     []string `json:"uris"`
}

// AppendServers appends one JSON object to dst: iceServers, with RTCIceServer
// objects as browsers take them, and beside it, if there is TURN, the fields of
// the TURN REST convention. The credentials are userID's until TTL after now;
// an empty userID stands for a client that is not registered.
func (i *ICE) AppendServers(dst []byte, userID string, now time.Time) []byte {
	answer := iceServers{Servers: []iceServer{}}
	if len(i.STUN) > 0 {
		answer.Servers = append(answer.Servers, iceServer{URLs: i.STUN})
	}
	if len(i.TURN) > 0 {
		// JSON has no other text than UTF-8, and the name that is signed must
		// be the one that arrives.
		user := strings.ToValidUTF8(userID, "\ufffd")
		name := credential{now.Add(i.ttl()).Unix(), user}.username()
		key := password(i.Secret, name)
		answer.Servers = append(answer.Servers, iceServer{i.TURN, name, key})
		answer.turnREST = &turnREST{name, key, int64(i.ttl() / time.Second), i.TURN}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // strings and numbers cannot fail
	}
	return append(dst, text...)
}

// RenewAt tells when a client should get new credentials in place of those that
// it got at now: after 80 % of their time, at least ten seconds before they
// expire, or after half of a very short time. Without TURN it is zero: never.
func (i *ICE) RenewAt(now time.Time) time.Time {
	if len(i.TURN) == 0 {
		return time.Time{}
	}
	ttl := i.ttl()
	return now.Add(ttl - max(ttl/5, min(10*time.Second, ttl/2)))
}

func (i *ICE) ttl() time.Duration {
	if i.TTL <= 0 {
		return time.Hour
	}
	return max(i.TTL, time.Second)
}
