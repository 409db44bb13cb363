package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	// fetchTimeout is how long a key set may take to arrive.
	fetchTimeout = 5 * time.Second
	// maxKeySet bounds a key set, in bytes.
	maxKeySet = 1 << 20
	// maxRedirects bounds the redirects from the URL of a key set.
	maxRedirects = 5
)

// fileReader returns a function that reads a key set from a file. That is cheap
// enough to do each time instead of looking for signs of a change, all of which
// miss some.
func fileReader(path string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, errors.New("no regular file") // it could block forever
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return readKeySet(file)
	}
}

// urlReader returns a function that fetches a key set.
func urlReader(location string) func(context.Context) ([]byte, error) {
	client := newClient()
	return func(ctx context.Context) ([]byte, error) { return fetch(ctx, client, location) }
}

func newClient() *http.Client {
	return &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true, // it is minutes to the next request
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// fetch takes at most fetchTimeout. Its error holds nothing of the URL, which
// may hold a password.
func fetch(ctx context.Context, client *http.Client, location string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return readKeySet(response.Body)
}

// checkRedirect refuses to go where the answer could be forged.
func checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return errors.New("redirect from https to http")
	}
	return nil
}

func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func readKeySet(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("more than %d bytes", maxKeySet)
	}
	return data, nil
}
