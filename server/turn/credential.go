package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxUsername is the longest USERNAME in bytes (RFC 8489, section 14.3).
const maxUsername = 508

var errUsername = errors.New("not of the form <unix expiry>:<user id>")

// A credential is a user name of the TURN REST convention, taken apart.
type credential struct {
	expiry int64  // Unix time
	user   string // empty for clients that are not registered
}

func (c credential) username() string {
	expiry := strconv.FormatInt(c.expiry, 10)
	if c.user == "" {
		return expiry
	}
	return expiry + ":" + c.user
}

// expired is true from the second of the expiry on, as in coturn.
func (c credential) expired(now time.Time) bool { return now.Unix() >= c.expiry }

// parseUsername is the inverse of username. The user id is all that follows the
// first colon.
func parseUsername(name string) (credential, error) {
	digits, user, _ := strings.Cut(name, ":")
	expiry, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || len(name) > maxUsername {
		return credential{}, errUsername
	}
	return credential{expiry: int64(expiry), user: user}, nil
}

func password(secret, username string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
