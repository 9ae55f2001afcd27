package db

import (
	"context"
	"errors"
)

func openPostgres(context.Context, target, Options) (backend, error) {
	return nil, errors.New("not yet")
}

type Budget struct{}
