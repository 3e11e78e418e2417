// Package rowfile reads what people call a CSV or JSON file, at the speed of a disk.
//
//	source.go     Open: a plain, gzip or zstd stream -> checked UTF-8 text, whole or a named fault
//	encoding.go   UTF-8, UTF-16, Windows-1252, ISO-8859-1: found out or told
//	row.go        Format and Row: what every scanner is given and gives
//	csv.go        records of cells
//	json.go       records of objects: one a line, or in one array
//	object.go     one JSON object, read strictly
//	guess.go      kind, delimiter and quote, from the first bytes
//	window.go     the bytes that a scanner looks at
//
// Cells are views into the read buffer, a record that is wrong in itself is one faulty record and not the end, and the
// offset of every record is known, so a file can be cut at record borders and each part be read alone.
package rowfile
