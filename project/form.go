package project

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"projhost/internal/fault"
)

// Bounds of a form.
const (
	MaxForm   = 16 << 20 // bytes of its body
	maxFields = 2000
)

// The form token: who sends a form must have been sent the page it is on. The
// names are Trac's.
const (
	TokenCookie = "trac_form_token"
	TokenField  = "__FORM_TOKEN"
	tokenDigits = 24
)

// ReadForm reads the body of a POST into r.PostForm and, for files,
// r.MultipartForm; the address's query is no part of it (Trac 1.6). It must be
// application/x-www-form-urlencoded or multipart/form-data in UTF-8, without NUL,
// and come from a page of this project. Errors are *[fault.Error].
//
// Trac lets a form of any other content type pass unread and without a token:
// "POST /logout" as text/plain logged out.
func ReadForm(r *Request) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return fault.Wrap(fault.Invalid, "", fmt.Errorf("the content type of a form: %w", err))
	}
	r.Body = http.MaxBytesReader(nil, r.Body, MaxForm)
	var fields url.Values
	switch kind {
	case "application/x-www-form-urlencoded":
		fields, err = readFields(r.Body)
	case "multipart/form-data":
		fields, err = readParts(r, params["boundary"])
	default:
		return fault.Wrap(fault.Invalid, "", fmt.Errorf("a form of the content type %q", kind))
	}
	if err != nil {
		return bodyFault(r, err)
	}
	r.PostForm, r.Form = fields, fields
	return r.checkToken()
}

// bodyFault tells the ways apart in which a form can fail to be read.
func bodyFault(r *Request, err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooManyFields) || errors.Is(err, multipart.ErrMessageTooLarge) {
		return fault.Wrap(fault.TooLarge, "", err)
	}
	if ended := r.Context().Err(); ended != nil {
		return ended
	}
	return fault.Wrap(fault.Invalid, "", fmt.Errorf("reading a form: %w", err))
}

var (
	errTooManyFields = errors.New("more fields than a form may have")
	errFormText      = errors.New("a NUL, or bytes that are not UTF-8, in a form")
)

// readFields reads name=value&name=value. As in Trac, ";" separates nothing and
// a bad percent-encoding stands for itself.
func readFields(body io.Reader) (url.Values, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	fields, n := url.Values{}, 0
	for pair := range strings.SplitSeq(string(text), "&") {
		if pair == "" {
			continue
		}
		if n++; n > maxFields {
			return nil, errTooManyFields
		}
		name, value, _ := strings.Cut(pair, "=")
		if name, value = unescapeField(name), unescapeField(value); !isText(name) || !isText(value) {
			return nil, errFormText
		}
		fields.Add(name, value)
	}
	return fields, nil
}

// unescapeField undoes application/x-www-form-urlencoded.
func unescapeField(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s):
			if one, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b = append(b, one[0])
				i += 2
				continue
			}
			b = append(b, c)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// readParts reads multipart/form-data (RFC 7578), all of it in memory.
func readParts(r *Request, boundary string) (url.Values, error) {
	if boundary == "" {
		return nil, errors.New("multipart/form-data without a boundary")
	}
	form, err := multipart.NewReader(r.Body, boundary).ReadForm(MaxForm)
	if err != nil {
		return nil, err
	}
	n := 0
	for name, values := range form.Value {
		for _, value := range values {
			if n++; !isText(name) || !isText(value) {
				return nil, errFormText
			}
		}
	}
	for name, files := range form.File {
		for _, f := range files {
			if n++; !isText(name) || !isText(f.Filename) {
				return nil, errFormText
			}
		}
	}
	if n > maxFields {
		return nil, errTooManyFields
	}
	r.MultipartForm = form
	return form.Value, nil
}

// outgoing is what a request's answer carries besides its body. Copies of a
// Request share it.
type outgoing struct {
	token   string
	cookies []*http.Cookie
}

// FormToken is what a form on a page for r's visitor must hold in the field
// [TokenField]: the value of the cookie [TokenCookie], which the page sets if
// the visitor has none.
func (r *Request) FormToken() string {
	if r.outgoing.token != "" {
		return r.outgoing.token
	}
	if c, err := r.Cookie(TokenCookie); err == nil && isToken(c.Value) {
		r.outgoing.token = c.Value
		return c.Value
	}
	var raw [tokenDigits / 2]byte
	rand.Read(raw[:]) // never fails
	r.outgoing.token = hex.EncodeToString(raw[:])
	r.SetCookie(r.NewCookie(TokenCookie, r.outgoing.token))
	return r.outgoing.token
}

// isToken is true for what Trac or this program may have made.
func isToken(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == tokenDigits
}

// checkToken refuses a form that another site has made the visitor's browser
// send: one that says so itself (Sec-Fetch-Site, as http.CrossOriginProtection
// has it), or that does not hold the token. The browser's word alone is not
// enough, for all projects of a host are one origin to it.
func (r *Request) checkToken() error {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
	default:
		return fault.Wrap(fault.Invalid, "This form was sent from another site. Open the page here and try again.", fmt.Errorf("a form with Sec-Fetch-Site: %s", site))
	}
	public := "The form was not sent from a page of this project, or your browser keeps no cookies. Go back, reload the page and try again."
	if r.Env.Config().Bool("trac", "secure_cookies") && !r.Secure {
		public = "This project's cookies travel over https alone. Open the page by its https address and try again."
	}
	c, err := r.Cookie(TokenCookie)
	if err != nil || !isToken(c.Value) {
		return fault.Wrap(fault.Invalid, public, errors.New("a form without the cookie "+TokenCookie))
	}
	if subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostForm.Get(TokenField))) != 1 {
		return fault.Wrap(fault.Invalid, public, errors.New("a form whose "+TokenField+" is not the cookie's"))
	}
	return nil
}

// NewCookie is a cookie for this project alone, which scripts do not see and
// other sites' forms do not send.
func (r *Request) NewCookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: r.Href.Path(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.Env.Config().Bool("trac", "secure_cookies"),
	}
}

// SetCookie has a [Page] or [Redirect] that answers r set c; it replaces one of
// the same name.
func (r *Request) SetCookie(c *http.Cookie) {
	for i, had := range r.outgoing.cookies {
		if had.Name == c.Name {
			r.outgoing.cookies[i] = c
			return
		}
	}
	r.outgoing.cookies = append(r.outgoing.cookies, c)
}

// WriteCookies puts the cookies into an answer's header; there are no others. A
// project that is only read sets none: nothing it has asks for them back.
func (r *Request) WriteCookies(h http.Header) {
	h.Del("Set-Cookie")
	if r.Env.ReadOnly() {
		return
	}
	for _, c := range r.outgoing.cookies {
		if s := c.String(); s != "" {
			h.Add("Set-Cookie", s)
		}
	}
}
