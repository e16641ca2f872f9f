# A size as the server prints it; "unknown" for no figure.
function size(bytes) {
  if (bytes == "") return "unknown"
  if (bytes < 1024) return sprintf("%d bytes", bytes)
  if (bytes < 1048576) return sprintf("%.1f KiB", bytes / 1024)
  if (bytes < 1073741824) return sprintf("%.1f MiB", bytes / 1048576)
  return sprintf("%.1f GiB", bytes / 1073741824)
}
# The number that the JSON object in $0 has under this key, or "" for null.
function figure(key,   at, rest) {
  at = index($0, "\"" key "\":")
  rest = substr($0, at + length(key) + 3)
  return at && rest ~ /^[0-9]/ ? rest + 0 : ""
}
