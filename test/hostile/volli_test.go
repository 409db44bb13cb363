package hostile

import "errors"

// volliRows are messages that no client of Volli's sends (contract, section 2).
var volliRows = []row{
	group("volli/no JSON", volli, answered(volliFormat), text(""), text(" "), text("x"), text("42[\"ping\"]"), text("{"), text("}"), text("{}}"), text("{}{}"), text(`{"type"}`),
		text(`{"type":}`), text(`{type:"discover"}`), text(`{"type":"discover",}`), text("{\"type\":\"a\nb\"}"), text(`{"type":"\x"}`), text(`{"a":01}`), text("\ufeff{}"), text("\x00")),
	group("volli/JSON, but no object", volli, answered(volliFormat), text("[]"), text(`[{"type":"discover","userId":"x"}]`), text("null"), text("true"), text("1"), text(`"x"`)),
	group("volli/no type", volli, answered(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`), text("{}"), text(`{"type":null}`), text(`{"type":1}`), text(`{"type":["discover"]}`),
		text(`{"type":{}}`), text(`{"type":""}`), text(`{"type":"REGISTER"}`), text(`{"type":"ping"}`), text(`{"type":"custom-message","from":"x","to":"y","message":"z"}`),
		text(`{"type":"registered"}`), text(`{"type":"error"}`), text(`{"type":"__proto__"}`)),
	group("volli/fields of the wrong type", volli, answered(`{"type":"error","message":"Missing required fields","code":"missing_fields"}`),
		text(`{"type":"register"}`), text(`{"type":"register","userId":"x"}`), text(`{"type":"register","publicKey":"x"}`), text(`{"type":"register","userId":1,"publicKey":"x"}`),
		text(`{"type":"register","userId":"x","publicKey":{}}`), text(`{"type":"register","userId":"","publicKey":"x"}`), text(`{"type":"discover"}`), text(`{"type":"discover","userId":[]}`),
		text(`{"type":"offer"}`), text(`{"type":"offer","from":"x","to":1,"offer":1}`), text(`{"type":"offer","from":"x","to":"y","offer":0}`), text(`{"type":"offer","from":"x","to":"y","answer":1}`),
		text(`{"type":"register","publicKey":"x","userId":"`+repeat("x", 257)+`"}`), text(`{"type":"register","userId":"x","publicKey":"`+repeat("x", 4097)+`"}`)),
	frames("volli/relay without a name", volli, text(`{"type":"offer","from":"healthy-a","to":"healthy-b","offer":1}`), answered(`{"type":"error","message":"Not registered","code":"not_registered"}`)),
	frames("volli/relay under another's name", volliNamed, text(`{"type":"offer","from":"healthy-a","to":"healthy-b","offer":1}`), answered(`{"type":"error","message":"Sender mismatch","code":"sender_mismatch"}`)),
	frames("volli/duplicate keys", volli, text(`{"type":"x","type":"discover","userId":"x","userId":"nobody"}`), answered(`{"type":"discover-response","userId":"nobody","online":false}`)),
	group("volli/binary frame", volli, closed(1003), data(`{"type":"discover","userId":"nobody"}`), data(""), frame(opBinary, "{")+frame(fin|opContinuation, "}")),
	frames("volli/a thousand wrong messages", volli, repeat(text("x"), 1000), answered(repeated(volliFormat, 1000)...)),
	{"volli/takeover back and forth", func(s *server) error {
		name := unique()
		var errs []error
		holder := s.volliRegistered(name)
		for range 100 {
			next := s.volliRegistered(name)
			holder.closed(4001)
			errs = append(errs, holder.end())
			holder = next
		}
		volli.alive(holder)
		return errors.Join(append(errs, holder.end())...)
	}},
	{"volli/at each of its paths", func(s *server) error {
		for _, path := range []string{"/", "/ws", "/signaling", "/ws?x=" + repeat("y", 1000)} {
			c := s.upgraded(path)
			volli.alive(c)
			if err := c.end(); err != nil {
				return err
			}
		}
		return nil
	}},
}
