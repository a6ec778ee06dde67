# redact : hides what is secret in standard input: the values that lie on this host, and whatever is named like one.
redact() {
	redact_rules=$(
		for redact_file in "$STATE"/secrets/*; do
			[ -s "$redact_file" ] || continue
			# A value of several lines is hidden line by line; one that is too short would hide half of all words.
			while IFS= read -r redact_value || [ -n "$redact_value" ]; do
				[ "${#redact_value}" -ge 6 ] || continue
				printf 's/%s/***/g\n' "$(printf '%s' "$redact_value" | sed 's/[][\.*^$/+?(){}|&]/\\&/g')"
			done <"$redact_file"
		done
	)
	sed -E -f /dev/fd/3 3<<RULES
$redact_rules
s/((password|passwd|secret|token)[a-z_-]*"?[=: ]+"?)[^", }]+/\\1***/Ig
s#(://[^:/@ ]+:)[^@/ ]+@#\\1***@#g
RULES
}
