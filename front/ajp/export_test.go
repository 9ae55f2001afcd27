package ajp

import "projhost/front/gateway"

// Parse is for the fuzz test of the codec.
func Parse(s string) ([]gateway.Pair, error) {
	r, err := parse(s, 100)
	if err != nil {
		return nil, err
	}
	return r.pairs, nil
}
