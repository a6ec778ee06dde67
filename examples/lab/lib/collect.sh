# shellcheck shell=bash
# `lab collect`: what a bug report needs, with secret values masked. Sourced by ../lab.

collect() {
    local directory=${1:?collect into which directory?} host
    need_engine
    mkdir -p "$directory"
    while IFS='=' read -r host _; do
        say "collecting from $host"
        if is_running "$(container "$host")"; then
            docker exec -i "$(container "$host")" sh -s < "$lab_source/host/report" 2>&1 | mask > "$directory/$host.txt"
        else
            docker container inspect -f 'not running: {{json .State}}' "$(container "$host")" > "$directory/$host.txt"
        fi
    done < <(lab_hosts)
    list > "$directory/hosts.txt"
    say "written to $directory; secrets are masked, but read it before you send it"
}

# mask: hides values of names that sound secret, passwords in addresses, private keys.
mask() {
    sed -E \
        -e '/-----BEGIN [A-Z ]*PRIVATE KEY-----/,/-----END [A-Z ]*PRIVATE KEY-----/c\*** private key ***' \
        -e 's/^((Environment=)?"?[A-Za-z0-9_]*(PASSWORD|SECRET|TOKEN|_KEY)[A-Za-z0-9_]*)=.*/\1=***/' \
        -e 's#(://[^:/@ ]*:)[^@ ]*@#\1***@#g' \
        -e 's/("variable-name":"[^"]*(PASSWORD|SECRET|TOKEN)[^"]*","variable-value":")[^"]*/\1***/g' \
        -e 's/(([A-Za-z0-9_.-]*(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|AGENT_KEY|ENCRYPT_KEY|[Pp]assword|[Ss]ecret|[Tt]oken|auth_pass)[A-Za-z0-9_]*)"?[=: ]+"?)[^" ,;]+/\1***/g'
}
