//go:build zishang

package zishang

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io/v2/transports"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/server/socketio"
)

// An engineError is the body of an answer to a request that Engine.IO refuses,
// as the reference implementation spells it.
type engineError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

var (
	errTransport = &engineError{0, "Transport unknown"}
	errSession   = &engineError{1, "Session ID unknown"}
	errMethod    = &engineError{2, "Bad handshake method"}
	errRequest   = &engineError{3, "Bad request"}
	errProtocol  = &engineError{5, "Unsupported protocol version"}
	errDraining  = &engineError{3, "Server unavailable"}
)

// verify returns what is wrong with a handshake, or nil. The library verifies
// as well, but refuses an older protocol only after the upgrade, by a write that
// would wait for the gate while the gate waits for it; and a WebSocket request
// with the id of a live session may take that session over.
func (e *engine) verify(r *http.Request) *engineError {
	query := r.URL.Query()
	if query.Get("transport") != transports.WEBSOCKET {
		return errTransport
	}
	if query.Get("EIO") != "4" {
		return errProtocol
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return errRequest
	}
	if sid := query.Get("sid"); sid != "" {
		if _, ok := e.server.Clients().Load(sid); ok {
			return errRequest
		}
		return errSession
	}
	if r.Method != http.MethodGet {
		return errMethod
	}
	return nil
}

func writeRefusal(w http.ResponseWriter, refusal *socketio.Refusal) {
	writeJSON(w, refusal.Status, refusal.Header, errcode.Body{Error: refusal.Message, Code: refusal.Code})
}

func writeJSON(w http.ResponseWriter, status int, header http.Header, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // integers and strings
	}
	maps.Copy(w.Header(), header)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
