package rawjson

// A Token is a part of a JSON document.
type Token uint8

const (
	Open   Token = iota // of an object or an array
	Close               // of an object or an array
	Key                 // of a member, as a raw JSON string
	Scalar              // a string, a number, true, false or null
)

// A Walker goes through a valid JSON document token by token. It keeps one bit
// for each level of nesting.
type Walker struct {
	doc  []byte
	next int
	open nesting
	key  bool // a string that comes next is a key
}

// Walk returns a Walker at the start of doc, which must be valid JSON.
func Walk(doc []byte) Walker { return Walker{doc: doc} }

// Depth is how many objects and arrays are open: those that Open has been
// returned for, without those that Close has been returned for.
func (w *Walker) Depth() int { return w.open.depth }

// Next returns the next token and where it is in the document. ok is false at
// the end of the document.
func (w *Walker) Next() (t Token, start, end int, ok bool) {
	for w.next < len(w.doc) {
		start = w.next
		switch c := w.doc[start]; c {
		case ' ', '\t', '\n', '\r', ':':
			w.next++
		case ',':
			w.next++
			w.key = w.open.inObject()
		case '{', '[':
			w.next++
			w.open.push(c == '{')
			w.key = c == '{'
			return Open, start, w.next, true
		case '}', ']':
			w.next++
			w.open.depth--
			w.key = false
			return Close, start, w.next, true
		default:
			w.next = skipScalar(w.doc, start)
			t = Scalar
			if w.key {
				t, w.key = Key, false
			}
			return t, start, w.next, true
		}
	}
	return 0, 0, 0, false
}

// KeyIndex returns which of keys a raw JSON string spells, or -1. None of keys
// may need an escape.
func KeyIndex(keys []string, raw []byte) int { return indexKey(keys, raw[1:len(raw)-1]) }
