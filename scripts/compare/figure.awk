# The number that a flat JSON object in $0 has under this key, or "" for null.
function figure(key,   at, rest) {
  at = index($0, "\"" key "\":")
  rest = substr($0, at + length(key) + 3)
  return at && rest ~ /^[0-9]/ ? rest + 0 : ""
}
