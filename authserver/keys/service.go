package keys

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"

	"github.com/microservicehub/mshub/authserver/store"
)

// Service implements KeyService: the keys without their private halves.
type Service struct{ Ring *Ring }

var states = map[string]authserverv1.Key_State{
	stateNext:     authserverv1.Key_NEXT,
	stateActive:   authserverv1.Key_ACTIVE,
	stateRetiring: authserverv1.Key_RETIRING,
	stateRetired:  authserverv1.Key_RETIRED,
}

// ListKeys returns every key there has been, the newest first.
func (s Service) ListKeys(ctx context.Context, _ *authserverv1.ListKeysRequest) (*authserverv1.ListKeysResponse, error) {
	var rows []store.SigningKey
	err := s.Ring.db.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = s.Ring.q.ListKeys(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &authserverv1.ListKeysResponse{}
	for _, row := range rows {
		res.Keys = append(res.Keys, &authserverv1.Key{
			Name:         "keys/" + row.Kid,
			Algorithm:    row.Algorithm,
			State:        states[row.State],
			CreateTime:   timestamppb.New(row.CreatedAt),
			ActivateTime: timestamppb.New(row.ActivateAt),
		})
	}
	return res, nil
}

// JWKS serves /oauth2/jwks. Verifiers may keep it for a few minutes: a new key is published a day before it signs.
func (r *Ring) JWKS(w http.ResponseWriter, req *http.Request) {
	set, err := r.Public(req.Context())
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the signing keys can't be read now; try again", http.StatusServiceUnavailable)
		return
	}
	body, err := json.Marshal(set)
	if err != nil {
		http.Error(w, "the signing keys can't be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age="+maxAge)
	_, _ = w.Write(body)
}

// maxAge is how long others may keep the JWKS, in seconds.
const maxAge = "300"
