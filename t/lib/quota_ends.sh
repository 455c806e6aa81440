# After the rows of t/sys/quota.t: what is killed in the middle of writing, a limit below what is used.  Sourced there; its rig is up.

# shellcheck shell=bash
# Uploads over and over from an address of its own, until it is told.
slow_client() { local n=0; while [ -e "$SCRATCH/writing" ]; do n=$((n + 1)); timeout 30 sftp -F "$SSH_CONFIG" -o BindAddress=127.0.3.$((n % 200 + 1)) -l 40000 -b - alice <<<"put $SCRATCH/data /one/up.$((n % 3))" >/dev/null 2>&1; done; }
newest_of() { role_pids "$1" | sort -n | tail -n 1; }
victim() {
    case $1 in
    daemon) echo "$SERVER_PID" ;;
    store) store_pid ;;
    shim) field one pid >/dev/null; local p; for p in $(role_pids shim); do grep -qsz '^one$\|one' "/proc/$p/cmdline" && echo "$p"; done | head -n 1 ;;
    server) local p; for p in /proc/[0-9]*; do [ "$(readlink "$p/root/proc/self/exe" 2>/dev/null)" ]; [[ $(tr '\0' ' ' 2>/dev/null <"$p/cmdline") == "./run $LIMIT $INODES "* ]] && [ "$(stat -c %u "$p" 2>/dev/null)" = "$(stat -c %u "$D")" ] && echo "${p#/proc/}"; done | sort -n | tail -n 1 ;;
    *) newest_of "$1" ;;
    esac
}
head -c 20M /dev/urandom >"$SCRATCH/data"
roles="session files server shim store daemon"
[ "$QUOTA_BACKEND" != none ] || roles="files daemon"
for role in $roles; do
    touch "$SCRATCH/writing"
    slow_client & client=$!
    # On a full disk an upload is over before it can be killed.
    case $role in session | files) ;; *) hf alice send one "'row killed'" >/dev/null 2>&1 ;; esac
    wait_until 10 eval "[ -n \"\$(victim $role)\" ]"
    sleep 0.7
    # The one of before may just be through.
    wait_until 10 eval "pid=\$(victim $role); [ -n \"\$pid\" ]"
    if [ -z "$pid" ]; then fail "$role: there is one to kill"; else kill -9 "$pid"; pass "$role: killed in the middle of writing"; fi
    sleep 0.7
    rm -f "$SCRATCH/writing"; wait $client 2>/dev/null
    alive "$SERVER_PID" || eval "$("$HERE/t/rig" start "$PREFIX")"
    wait_until 20 daemon_up
    hf alice kill one --wait --timeout 20 >/dev/null 2>&1
    wait_until 30 eval 'hf alice start one --wait --timeout 30 >/dev/null 2>&1'
    # The server itself may be full, and then nobody can put anything; what the dead have left is its own.
    hf alice send --expect "'done clean'" --timeout 60 one clean >/dev/null 2>&1
    printf -- '-rm /one/up.0\n-rm /one/up.1\n-rm /one/up.2\n' | batch alice >/dev/null 2>&1
    import_results <(rows 120 write) "$role killed: "
    tried "$role killed: "
done
is "$(field three pid)" "$three" "the neighbour has seen nothing of it"

# --- a limit lowered below what is used ---------------------------------------------------------------------------------------------------
if quota_knows quota; then
    head -c 40M /dev/zero | tr '\0' k >"$SCRATCH/kept"
    # Without a wall what went through the gate counts twice for 30 s at most.
    soon=10; [ "$QUOTA_BACKEND" != none ] || soon=45
    ok "40 MiB are taken" wait_until $soon put alice "$SCRATCH/kept" /one/kept
    sed -i '/^\[server one\]/,/^\[/s/^disk = .*/disk = 16M/' "$CONFIG/servers.d/rig.ini"
    exits 0 "a reload with a limit below what is used" "$TOOL" --run "$RUN" reload
    refused() { ! put alice "$SCRATCH/data" /one/more; }
    ok "nothing more is taken" wait_until 10 refused
    if [ "$QUOTA_BACKEND" = none ]; then
        skip "nor from inside" "nothing holds a server back there"
    else
        as_server one sh -c 'head -c 8192 /dev/zero >inside' 2>/dev/null
        is "$(stat -c %s "$D/inside" 2>/dev/null || echo 0)" 0 "nor from inside"
    fi
    printf 'get /one/kept %s\n' "$SCRATCH/back" | batch alice >/dev/null 2>&1
    ok "what is there can be read" cmp -s "$SCRATCH/kept" "$SCRATCH/back"
    printf 'rm /one/kept\n-rm /one/more\n' | batch alice >/dev/null 2>&1
    head -c 4M "$SCRATCH/data" >"$SCRATCH/small"
    ok "below the limit again it serves" wait_until $soon put alice "$SCRATCH/small" /one/small
    nok "up to it" put alice "$SCRATCH/data" /one/more
    sync -f "$D"
    atmost "$(du -sB1 "$D" | cut -f1)" $(((16 << 20) + LIMIT / 50)) "and never above"
else
    skip "a limit lowered below what is used" "this build cannot change the limit of a disk that is up"
fi

# --- the numbers, wherever they are shown -------------------------------------------------------------------------------------------------
sync -f "$D"
# A btrfs counts what describes its files as well, which no walk of them finds.
[ "$QUOTA_BACKEND" = btrfs ] || ok "at rest a count of all files finds what is shown" wait_until 45 "$TOOL" --run "$RUN" quota check one
numbers() {
    local q
    q=$(hf alice quota one --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["used"])')
    shown="$q $(field one disk_used) $(hf alice df /one | awk 'NR == 2 { print $3 }')"
    [ "$shown" = "$q $q $((q / 1024))" ]
}
ok "quota, status and df show the same" wait_until 10 numbers
