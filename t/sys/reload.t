#!/bin/bash
# Reload: all or nothing, with every error named; what was taken away ends within a second, in the middle of a transfer, too.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
ssh-keygen -q -t ed25519 -N '' -C second -f "$SCRATCH/second"
ssh-keygen -q -t ed25519 -N '' -C dora -f "$SCRATCH/dora"
cat >"$SCRATCH/more.ini" <<EOF
[account alice]
key = $(cat "$SCRATCH/second.pub")
[account dora]
key = $(cat "$SCRATCH/dora.pub")
EOF
rig_up --ini "$SCRATCH/more.ini"
A=$CONFIG/accounts.d/rig.ini S=$CONFIG/servers.d/rig.ini D=$CONFIG/holdfast.ini
# The merge gave alice the second key only; both belong to her.
grep -qF "$(cut -d' ' -f2 "$KEY.pub")" "$A" || sed -i "/^\[account alice\]/a key = $(cat "$KEY.pub")" "$A"
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
key_of() { timeout 60 ssh -F none -p "$PORT" -l "$1" -i "$2" -b "$3" -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" \
    -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR "$HOST" "${@:4}"; }
save() { cp "$A" "$SCRATCH/A"; cp "$S" "$SCRATCH/S"; cp "$D" "$SCRATCH/D"; }
back() { cat "$SCRATCH/A" >"$A"; cat "$SCRATCH/S" >"$S"; cat "$SCRATCH/D" >"$D"; }

exits 0 "a reload of what changed by hand" reload
exits 0 "alice's first key" key_of alice "$KEY" 127.0.8.1 true
exits 0 "alice's second key" key_of alice "$SCRATCH/second" 127.0.8.1 true
exits 0 "holdfastd -t beside the running daemon" "$DAEMON" -c "$CONFIG" -t
is "$(grep -vE '^(ok|warn) ' <<<"$out$err")" "" "finds nothing wrong"
like "$out" 'ok +ports: in use, and a holdfastd runs here' "and says who may hold the port"
exits 0 "holdfastd -T prints what is in force" "$DAEMON" -c "$CONFIG" -T
like "$out" '\[server one\]' "every section"
like "$out" 'login_grace = ' "with its defaults"
save

# --- errors: all of them, and nothing changes -----------------------------------------------------------------------------------------------

cat >>"$A" <<'EOF'
[account new]
colour = red
[account alice2]
password = perhaps
EOF
echo 'nonsense without a sign' >>"$S"
printf '[limits]\nlogin_grace = soon\n' >>"$D"
exits 1 "a reload with errors fails" reload
text=$out$err
for want in 'accounts.d/rig.ini:[0-9]+.*colour' 'accounts.d/rig.ini:[0-9]+.*perhaps' 'servers.d/rig.ini:[0-9]+' 'holdfast.ini:[0-9]+.*soon'; do
    like "$text" "$want" "it names $want"
done
like "$text" 'yes' "and says what is allowed"
nok "holdfastd -t says the same" "$DAEMON" -c "$CONFIG" -t
exits 0 "the old configuration holds" key_of alice "$KEY" 127.0.8.1 true
exits 255 "nothing of the new one does" key_of new "$KEY" 127.0.8.2 true
kill -HUP "$SERVER_PID"
ok "SIGHUP logs them" wait_until 5 logged 'colour'
exits 0 "and keeps the old one" key_of alice "$KEY" 127.0.8.1 true
back
{ printf 'key = ssh-ed25519 '; head -c 300 /dev/zero | tr '\0' A; echo; } >>"$A"
exits 1 "a line longer than the parser's is an error" reload
like "$out$err" 'accounts.d/rig.ini:[0-9]+.*(long|199|200)' "never a key cut short"
back
chmod 0644 "$A"
exits 1 "a file others can read is refused" reload
like "$out$err" 'accounts.d/rig.ini.*(mode|0600|permission|readable)' "by name"
chmod 0600 "$A"
chown 1 "$A"
exits 1 "a file of another owner is refused" reload
chown 0 "$A"
exits 0 "put right, it is taken" reload

# --- additions ----------------------------------------------------------------------------------------------------------------------------

save
cat >>"$S" <<'EOF'
[server four]
owner = alice
command = ./run
disk = 16M
EOF
exits 0 "a server more" reload
like "$out$err" '[0-9]' "the change is summed up: ${out:0:100}"
sees() { hf alice status --json | grep -q '"four"'; }
ok "is there at the next login" wait_until 3 sees
ok "with a disk" batch alice <<<"put $HERE/t/payload/echo /four/run"
put_run four <"$HERE/t/payload/echo"
exits 0 "and starts" hf alice start four --wait --timeout 20
back
exits 1 "a running server cannot be left out" reload
like "$out$err" 'four' "and is named"
hf alice kill four --wait --timeout 10 >/dev/null
back
exits 0 "stopped it can" reload
nok "and is gone" sees

# --- what is taken away -------------------------------------------------------------------------------------------------------------------

head -c 40M /dev/zero >"$SCRATCH/slow"
# Starts a slow upload in the background: KEY WHO PATH; $client is its pid, $started when it ended is in the file `ended`.
upload() {
    rm -f "$SCRATCH/ended"
    ( timeout 60 sftp -F none -P "$PORT" -i "$1" -o BindAddress=127.0.8.9 -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" \
        -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR -l 6000 -b <(printf 'put %s %s\n' "$SCRATCH/slow" "$3") "$2@$HOST" \
        >"$SCRATCH/upload" 2>&1; echo "$? ${EPOCHREALTIME/./}" >"$SCRATCH/ended" ) & client=$!
    wait_until 10 bash -c "[ \"\$(stat -c %s '$PREFIX/state/servers/${3#/}' 2>/dev/null || echo 0)\" -gt 100000 ]" || sleep 2
}
# The reload that ends it, and how long it took, in ms.
ends() {
    local from; from=$(now_us)
    exits 0 "$1: reload" reload
    wait_until 5 test -s "$SCRATCH/ended"
    if [ -s "$SCRATCH/ended" ]; then
        atmost $((($(cut -d' ' -f2 "$SCRATCH/ended") - from) / 1000)) 1500 "$1: the transfer ended within a second of it, ms"
        isnt "$(cut -d' ' -f1 "$SCRATCH/ended")" 0 "$1: as a failure"
    else
        fail "$1: the transfer ended"
    fi
    wait $client
}
save
upload "$SCRATCH/second" alice /one/slow
grep -vF "$(cut -d' ' -f2 "$SCRATCH/second.pub")" "$SCRATCH/A" >"$A"
ends "a removed key"
exits 255 "a removed key: no new login" key_of alice "$SCRATCH/second" 127.0.8.4 true
exits 0 "a removed key: the other key works" key_of alice "$KEY" 127.0.8.1 true
back; reload >/dev/null

upload "$KEY" alice /one/slow2
sed 's/^\[account alice\]/&\nsuspended = yes/' "$SCRATCH/A" >"$A"
ends "a suspended account"
exits 255 "a suspended account: no new login" key_of alice "$KEY" 127.0.8.5 true
exits 0 "a suspended account: others log in" hf bob true
back; reload >/dev/null
exits 0 "a suspended account: back again" key_of alice "$KEY" 127.0.8.1 true

sed 's/^\[server one\]/&\nallow = dora: files console/' "$SCRATCH/S" >"$S"
exits 0 "a right is given" reload
upload "$SCRATCH/dora" dora /one/slow3
back
ends "a lost right"
size=$(stat -c %s "$PREFIX/state/servers/one/slow3" 2>/dev/null)
sleep 1
is "$(stat -c %s "$PREFIX/state/servers/one/slow3" 2>/dev/null)" "$size" "a lost right: not a byte more is written"
like "$(<"$SCRATCH/upload")" 'one: your rights .* changed' "a lost right: the client is told why"

# Channels that wait: FILE gets what the client says, FILE.ended when it ended.
hold() {
    local file=$1; shift
    rm -f "$file.ended"
    ( timeout 60 "$@" < <(exec sleep 25) >"$file" 2>&1; echo "$? ${EPOCHREALTIME/./}" >"$file.ended" ) &
}
DORA=(-F none -i "$SCRATCH/dora" -o BindAddress=127.0.8.6 -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS"
    -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR)
gone_in_time() {
    wait_until 3 test -s "$2.ended"
    if [ -s "$2.ended" ]; then
        atmost $((($(cut -d' ' -f2 "$2.ended") - from) / 1000)) 1500 "a lost right: $1 ends within a second, ms"
    else
        fail "a lost right: $1 ends"
    fi
}
put_run one <"$HERE/t/payload/echo"
started one >/dev/null 2>&1
sed 's/^\[server one\]/&\nallow = dora: files console logs/' "$SCRATCH/S" >"$S"
reload >/dev/null
H=$SCRATCH/held
hold "$H.console" ssh "${DORA[@]}" -p "$PORT" "dora@$HOST" console one
hold "$H.logs" ssh "${DORA[@]}" -p "$PORT" "dora@$HOST" logs one -f
hold "$H.home" ssh "${DORA[@]}" -p "$PORT" -s "dora+one@$HOST" sftp
{ echo 'ls /one'; sleep 20; echo 'ls /'; } | timeout 60 sftp "${DORA[@]}" -P "$PORT" -b - "dora@$HOST" >"$H.looked" 2>&1 & looker=$!
as_server one truncate -s 30M big
( echo 'get /one/big /dev/null'; sleep 30 ) | timeout -s KILL 60 sftp "${DORA[@]}" -l 800 -P "$PORT" -b - "dora@$HOST" >/dev/null 2>&1 &
hf alice send one "before" >/dev/null
wait_until 10 grep -q 'heard: before' "$H.console"
wait_until 10 grep -q 'heard: before' "$H.logs"
wait_until 10 grep -q run "$H.looked"
two_workers() { [ "$(role_pids files | wc -l)" -ge 2 ]; }
wait_until 18 two_workers
workers=$(role_pids files)
atleast "$(wc -w <<<"$workers")" 2 "a lost right: workers are at it"
# A client that does not read must not hold on to anything.
stalled=$(pgrep -f -- "-l 800 -P $PORT" | head -n 5)
[ -z "$stalled" ] || kill -STOP $stalled
back
from=$(now_us)
reload >/dev/null
gone() { local p; for p in $workers; do ! alive "$p" || return 1; done; }
ok "a lost right: every worker of it has gone" wait_until 1 gone
for what in console logs home; do gone_in_time "$what" "$H.$what"; done
[ -z "$stalled" ] || kill -KILL $stalled
hf alice send one "after the fact" >/dev/null
for what in console logs; do
    like "$(<"$H.$what")" 'one: the right to do this was taken away' "a lost right: $what says so"
    unlike "$(<"$H.$what")" 'heard: after the fact' "a lost right: $what shows nothing more"
    is "$(cut -d' ' -f1 "$H.$what.ended" 2>/dev/null)" 77 "a lost right: $what exits 77"
done
like "$(<"$H.home")" 'one: your rights .* changed' "a lost right: a login to the server alone is told"
ok "a lost right: a channel that only looked at it goes on" wait $looker
ok "the daemon is up" daemon_up
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
