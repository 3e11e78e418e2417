package filter

import (
	"fmt"
	"regexp"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// BSON compiles a filter to a MongoDB query over Column.BSON, with the same meaning as SQL. A nil expression gives an
// empty document, which matches everything. Times are compared as text in UTC without the Z (TimeText), which is how the
// documents keep them.
func BSON(e Expr, columns map[string]Column) (bson.D, error) {
	switch e := e.(type) {
	case nil:
		return bson.D{}, nil
	case And:
		return bsonJoin("$and", e, columns)
	case Or:
		return bsonJoin("$or", e, columns)
	case Not:
		return bsonJoin("$nor", []Expr{e.Expr}, columns)
	case Compare:
		return bsonCompare(e, columns)
	}
	return nil, fmt.Errorf("filter: unknown expression %T", e)
}

// TimeText writes a time so that the order of the texts is the order of the times: UTC, no Z, no trailing zeros.
func TimeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999") }

func bsonJoin(word string, parts []Expr, columns map[string]Column) (bson.D, error) {
	all := make(bson.A, 0, len(parts))
	for _, part := range parts {
		d, err := BSON(part, columns)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return bson.D{{Key: word, Value: all}}, nil
}

var bsonOps = map[string]string{"=": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}

func bsonCompare(cmp Compare, columns map[string]Column) (bson.D, error) {
	column, err := resolve(columns, cmp)
	if err != nil {
		return nil, err
	}
	on := func(op string, value any) (bson.D, error) {
		return bson.D{{Key: column.BSON, Value: bson.D{{Key: op, Value: value}}}}, nil
	}
	if cmp.Value.Null() {
		return on(bsonOps[cmp.Op], nil)
	}
	if has(cmp) {
		return on("$ne", nil)
	}
	value, err := column.literal(cmp)
	if err != nil {
		return nil, err
	}
	if t, ok := value.(time.Time); ok {
		value = TimeText(t)
	}
	switch {
	case cmp.Op == ":" && column.Type == TextArray:
		return on("$eq", value)
	case cmp.Op == ":":
		return on("$regex", bson.Regex{Pattern: regexp.QuoteMeta(cmp.Value.Text), Options: "i"})
	}
	return on(bsonOps[cmp.Op], value)
}
