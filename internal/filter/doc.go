// Package filter is the language of every list's `filter`: a subset of AIP-160, read once and compiled for the store.
//
//	parse.go   text -> Expr; errors are invalid_argument on "filter" and name the character
//	value.go   a literal -> a value of the column's type
//	sql.go     Expr -> WHERE with bind arguments, over a map of columns (plain or inside JSONB)
//	bson.go    Expr -> a MongoDB query document over the same columns
//	order.go   `orderBy` -> a column and a direction
//
// The language:
//
//	carrier = "UA" AND (dep_delay >= 60 OR dep_delay = null) AND NOT dest:"IA"
//
// Comparisons are = != < <= > >= and `:`, which means "contains" in text (without case), "is among" in arrays, and
// "has a value" as `column:*`. Values are "quoted", 'quoted' or bare; numbers, true, false, null, RFC 3339 timestamps and
// dates. A field whose name is no plain word is quoted too: "Dep Time" > 5. As AIP-160 has it, OR binds tighter than AND;
// `-` is NOT.
//
// Logic has two values, the same on every store: a row without a value fails every comparison but `!=` and `= null`, and
// NOT turns the answer round.
package filter
