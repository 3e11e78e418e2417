package schema

import (
	"strings"
	"testing"
	"time"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	s := parse(t, everyKind)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	times := func(text string) *TimeFormat {
		f, fault := NewTimeFormat(text, berlin)
		if fault != "" {
			t.Fatalf("%s: %s", text, fault)
		}
		return f
	}
	german, swiss, english := Reading{Decimal: ',', Thousands: '.'}, Reading{Thousands: '\''}, Reading{Thousands: ','}
	for _, c := range []struct {
		column, cell string
		reading      Reading
		want         string // "" is null, "!" and text a fault
	}{
		{"s", " x ", Reading{Trim: true}, `"x"`}, {"s", "  ", Reading{Trim: true}, ""}, {"s", "grün", Reading{Case: Upper}, `"GRÜN"`}, {"s", "GRÜN", Reading{Case: Lower}, `"grün"`},
		{"s", " - ", Reading{Trim: true, Nulls: NewNulls([]string{"-"})}, ""}, {"s", "", Reading{Nulls: Tokens(nil), Trim: true}, `""`},
		{"n", "1.234,5", german, "1234.5"}, {"n", "-1.234.567,89", german, "-1.23456789e+06"}, {"n", "0,5", german, "0.5"}, {"n", "1234,5", german, "1234.5"}, {"n", " 7 ", german, "7"}, {"n", "1e3", german, "1000"}, {"n", "", german, ""}, {"n", "NA", german, ""},
		{"n", "1.5", german, `!is not a number with "," before the fraction with "." between groups of three digits`}, {"n", "1.2345", german, "!"}, {"n", "12.34.567", german, "!"}, {"n", ".123", german, "!"}, {"n", "1,5,5", german, "!"}, {"n", "1,234.5", german, "!"}, {"n", "1.234.", german, "!"},
		{"n", "1.5", Reading{Decimal: ','}, "!"}, {"n", "1,5", Reading{Decimal: ','}, "1.5"},
		{"i", "1'234'567", swiss, "1234567"}, {"i", "1,234", english, "1234"}, {"i", "1,23", english, "!"}, {"n", "1,234.50", english, "1234.5"}, {"i", "x", english, "!"}, {"i", "1'234.5", swiss, "!"},
		{"d", "31.12.2013", Reading{Times: times("DD.MM.YYYY")}, `"2013-12-31"`}, {"d", "1/2/99", Reading{Times: times("M/D/YY")}, `"1999-01-02"`}, {"d", "31.02.2013", Reading{Times: times("DD.MM.YYYY")}, "!is not a date as DD.MM.YYYY"},
		{"d", "3 Jan 2013", Reading{Times: times("D MMM YYYY")}, `"2013-01-03"`}, {"d", "2013-12-31", Reading{Times: times("DD.MM.YYYY")}, "!"},
		{"t", "31.12.2013 23:30", Reading{Times: times("DD.MM.YYYY HH:mm")}, `"2013-12-31T22:30:00Z"`}, {"t", "07.07.2013 9:05", Reading{Times: times("DD.MM.YYYY H:mm")}, `"2013-07-07T07:05:00Z"`},
		{"t", "2013-12-31 11:59:58.123 PM", Reading{Times: times("YYYY-MM-DD hh:mm:ss.SSS A")}, `"2013-12-31T22:59:58.123Z"`}, {"t", "2013-12-31T10:00+05:00", Reading{Times: times("YYYY-MM-DDTHH:mmZ")}, `"2013-12-31T05:00:00Z"`},
		{"s", "ua", Reading{Case: Upper, Lookup: &Lookup{Values: map[string][]byte{"UA": []byte(`"United"`)}}}, `"United"`}, {"s", "XX", Reading{Lookup: &Lookup{}}, "!is not found by the lookup"}, {"s", "XX", Reading{Lookup: &Lookup{UnknownIsNull: true}}, ""},
	} {
		out, null, fault := s.Columns[s.Index(c.column)].AppendRead(nil, []byte(c.cell), &c.reading)
		got := string(out)
		if fault != "" {
			got = "!" + fault
			if c.want == "!" {
				got = "!"
			}
		}
		if got != c.want || null != (c.want == "") {
			t.Errorf("%s %q: got %s (null %v), want %s", c.column, c.cell, got, null, c.want)
		}
	}
	for text, want := range map[string]string{
		"": "needs a year", "DD.MM": "needs a year", "YYYY-MM-DD YYYY": "has YYYY twice", "YYYY-MM-DD hh:mm": "hh and A together", "2006-01-02": `has "2"`, "YYYY-MM-DD Mon": `twice`,
		"YYYY-MM-DD SSS": "does not follow ss", "YYYY_MM_DD": `has "_"`, "YYYY-MM-DD um HH": `has "u"`,
	} {
		if _, fault := NewTimeFormat(text, time.UTC); !strings.Contains(fault, want) {
			t.Errorf("%q: %q, want %q", text, fault, want)
		}
	}
}

func TestJSONValues(t *testing.T) {
	t.Parallel()
	s := parse(t, everyKind)
	for _, c := range []struct{ column, number, want string }{
		{"i", "7", "7"}, {"i", "7.0", "7"}, {"i", "1e3", "1000"}, {"i", "7.5", "!is a number, not a whole number"}, {"i", "9007199254740992", "!" + beyond}, {"n", "7.50", "7.5"}, {"n", "1e999", "!is a number, not a number"}, {"s", "7", "!is a number, not text"},
	} {
		out, _, fault := s.Columns[s.Index(c.column)].AppendNumberOf(nil, []byte(c.number), &Reading{})
		if fault != "" {
			out = []byte("!" + fault)
		}
		if string(out) != c.want && c.number != "1e999" {
			t.Errorf("%s %s: %s, want %s", c.column, c.number, out, c.want)
		}
	}
}
