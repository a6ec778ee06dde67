# $units : what each would execute: the machine that it is built for and its loader, as the ELF header tells.
for unit in $units; do
	program=$(systemctl show -p ExecStart --value "$unit" 2>/dev/null | sed -n 's/^{ path=\([^ ;]*\) .*/\1/p' | head -n 1)
	[ -n "$program" ] || continue
	if [ ! -e "$program" ]; then
		printf 'missing - - %s\n' "$program"
		continue
	fi
	kind=$(od -An -v -tx1 -j18 -N2 "$program" 2>/dev/null | tr -d ' ')
	loader=$(head -c 4096 "$program" | tr '\0' '\n' | grep -a -m 1 -E '^/[A-Za-z0-9/._-]*/ld[-A-Za-z0-9._]*\.so\.[0-9]+$')
	state=there
	if [ -n "$loader" ] && [ ! -e "$loader" ]; then state=no-loader; fi
	[ -x "$program" ] || state=not-executable
	printf '%s %s %s %s\n' "$state" "$kind" "${loader:--}" "$program"
	# shellcheck disable=SC2046  # words
	printf 'mount %s %s\n' "$program" "$(findmnt -n -r -o TARGET,OPTIONS -T "$(readlink -f "$program")" 2>/dev/null | tail -n 1)"
done
