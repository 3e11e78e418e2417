package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/microservicehub/mshub/services/records/schema"
)

// A record in MongoDB:
//
//	{_id: organisation + dataset + id (48 bytes), d: {column: value, …}, r: revision, c: created, u: updated,
//	 i: the import that wrote it last, n: whether that import made it new}
//
// The _id sorts by dataset, then id, so it is the index of every list. Times inside d are text without the Z, whose order
// is the order of time (filter.TimeText). A column's name is escaped, because MongoDB gives dots and dollars a meaning.

const (
	fieldData     = "d"
	fieldRevision = "r"
	fieldCreated  = "c"
	fieldUpdated  = "u"
	fieldImport   = "i"
	fieldNew      = "n"
)

var escapeName = strings.NewReplacer("%", "%25", ".", "%2E", "$", "%24").Replace

// binaryID makes an _id of parts of 16 bytes, or of a number.
func binaryID(parts ...uuid.UUID) bson.Binary {
	id := make([]byte, 0, 16*len(parts))
	for _, p := range parts {
		id = append(id, p[:]...)
	}
	return bson.Binary{Data: id}
}

func numberedID(organisation, imported uuid.UUID, number int64) bson.Binary {
	id := binaryID(organisation, imported)
	id.Data = binary.BigEndian.AppendUint64(id.Data, uint64(number))
	return id
}

// within is the range of all _ids that begin with two parts and go on for tail bytes.
func within(a, b uuid.UUID, tail int) bson.D {
	low, high := binaryID(a, b), binaryID(a, b)
	low.Data = append(low.Data, make([]byte, tail)...)
	high.Data = append(high.Data, bytes.Repeat([]byte{0xff}, tail)...)
	return bson.D{{Key: "$gte", Value: low}, {Key: "$lte", Value: high}}
}

// encoder turns canonical JSON documents into BSON.
type encoder struct {
	schema *schema.Schema
	names  []string // escaped, by column
}

func newEncoder(s *schema.Schema) *encoder {
	e := &encoder{schema: s}
	for _, c := range s.Columns {
		e.names = append(e.names, escapeName(c.Name))
	}
	return e
}

// data encodes the member d.
func (e *encoder) data(document []byte) (bson.Raw, error) {
	start, out := bsoncore.AppendDocumentStart(make([]byte, 0, len(document)+64))
	var fault error
	ok := e.schema.Walk(document, func(column int, raw []byte) {
		out, fault = e.append(out, column, raw, fault)
	})
	if !ok || fault != nil {
		return nil, fmt.Errorf("records: a document is not canonical: %w", fault)
	}
	out, err := bsoncore.AppendDocumentEnd(out, start)
	return out, err
}

func (e *encoder) append(out []byte, column int, raw []byte, fault error) ([]byte, error) {
	name, kind := e.names[column], e.schema.Columns[column].Kind
	switch kind {
	case schema.Integer:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return out, err
		}
		return bsoncore.AppendInt64Element(out, name, n), fault
	case schema.Number:
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return out, err
		}
		return bsoncore.AppendDoubleElement(out, name, f), fault
	case schema.Boolean:
		return bsoncore.AppendBooleanElement(out, name, string(raw) == "true"), fault
	}
	text := string(raw[1 : len(raw)-1])
	if strings.IndexByte(text, '\\') >= 0 {
		if err := json.Unmarshal(raw, &text); err != nil {
			return out, err
		}
	}
	if kind == schema.DateTime {
		text = strings.TrimSuffix(text, "Z")
	}
	return bsoncore.AppendStringElement(out, name, text), fault
}

// document encodes a whole record. Imported is the import that writes it, or nil.
func (e *encoder) document(shelf Shelf, d Document, imported *uuid.UUID, isNew bool) (bson.Raw, error) {
	data, err := e.data(d.Data)
	if err != nil {
		return nil, err
	}
	start, out := bsoncore.AppendDocumentStart(make([]byte, 0, len(data)+160))
	out = bsoncore.AppendBinaryElement(out, "_id", 0, binaryID(shelf.Organisation, shelf.Dataset, d.ID).Data)
	out = bsoncore.AppendDocumentElement(out, fieldData, data)
	out = bsoncore.AppendInt32Element(out, fieldRevision, d.Revision)
	out = bsoncore.AppendInt64Element(out, fieldCreated, d.CreateTime.UnixMicro())
	out = bsoncore.AppendInt64Element(out, fieldUpdated, d.UpdateTime.UnixMicro())
	if imported != nil {
		out = bsoncore.AppendBinaryElement(out, fieldImport, 0, imported[:])
		out = bsoncore.AppendBooleanElement(out, fieldNew, isNew)
	}
	out, err = bsoncore.AppendDocumentEnd(out, start)
	return out, err
}

// kept is a record as it is read.
type kept struct {
	ID       bson.Binary `bson:"_id"`
	Data     bson.Raw    `bson:"d"`
	Revision int32       `bson:"r"`
	Created  int64       `bson:"c"`
	Updated  int64       `bson:"u"`
	Import   bson.Binary `bson:"i"`
	New      bool        `bson:"n"`
}

// document is the reverse of encoder.document; the data is canonical.
func (k kept) document(s *schema.Schema) (Document, error) {
	d := Document{Revision: k.Revision, CreateTime: time.UnixMicro(k.Created), UpdateTime: time.UnixMicro(k.Updated)}
	if len(k.ID.Data) != 48 {
		return d, fmt.Errorf("records: an _id has %d bytes", len(k.ID.Data))
	}
	d.ID = uuid.UUID(k.ID.Data[32:])
	values := make([][]byte, len(s.Columns))
	for i, c := range s.Columns {
		value := k.Data.Lookup(escapeName(c.Name))
		switch {
		case value.IsZero():
		case c.Kind == schema.Integer:
			values[i] = strconv.AppendInt(nil, value.Int64(), 10)
		case c.Kind == schema.Number:
			values[i] = schema.AppendNumber(nil, value.Double())
		case c.Kind == schema.Boolean:
			values[i] = strconv.AppendBool(nil, value.Boolean())
		case c.Kind == schema.DateTime:
			values[i] = schema.AppendString(nil, []byte(value.StringValue()+"Z"))
		default:
			values[i] = schema.AppendString(nil, []byte(value.StringValue()))
		}
	}
	d.Data = s.Document(values)
	return d, nil
}
