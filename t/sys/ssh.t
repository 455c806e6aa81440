#!/bin/bash
# Commands: verbs, what they print where, exit codes, quoting, rights, several servers.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
allow = bob: start logs
restart = never
[server two]
restart = never
stop_timeout = 2s
[server three]
allow = alice: status
[account carol]
EOF
ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/carol"
sed -i "s|^\[account carol\]|&\nkey = $(cat "$SCRATCH/carol.pub")|" "$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
printf 'Host carol\n User carol\n IdentityFile %s\n%s\n' "$SCRATCH/carol" "$(cat "$SSH_CONFIG")" >"$SSH_CONFIG.new"
mv "$SSH_CONFIG.new" "$SSH_CONFIG"
put_run one <"$HERE/t/payload/echo"
put_run two <"$HERE/t/payload/echo"

# --- first contact --------------------------------------------------------------------------------------------------------------------

exits 0 "no command, no terminal: a greeting" "${SSH[@]}" alice
like "$out" 'one' "that shows the servers"
unlike "$out" $'\x1b' "without colour"
unlike "$out" $'\r' "and with plain line ends"
exits 0 "true" hf alice true
exits 0 "version" hf alice version
like "$out" '^holdfast' "names itself"
exits 0 "help" hf alice help
help=$out
for verb in status start stop restart kill console send logs quota whoami backup help version; do
    [[ $help == *$verb* ]] || { fail "help names $verb"; continue; }
    exits 0 "help $verb" hf alice help $verb
done
exits 0 "whoami" hf alice whoami
like "$out" 'alice' "says who"
exits 0 "pwd" hf alice pwd
is "$out" "/" "is /"
exits 0 "echo" hf alice echo a "'b  c'"
is "$out" "a b  c" "prints its words"

# --- quoting ----------------------------------------------------------------------------------------------------------------------------

for bad in 'echo a | b' 'echo a > b' 'echo < b' 'echo a; b' 'echo a & b' 'echo $(b)' 'echo `b`'; do
    exits 2 "refused: $bad" hf alice "$bad"
    sign=${bad//[a-z ]/}
    like "$err" "$(sed 's/[$|()`.]/./g' <<<"${sign:0:1}")" "and names what"
    is "$out" "" "and prints nothing to stdout"
done
exits 0 "quoted they are text" hf alice "echo 'a | b > c; d & \$(e) \`f\`'"
is "$out" 'a | b > c; d & $(e) `f`' "and stay"
exits 0 "no expansion" hf alice 'echo ~ * {a,b} "x y"'
is "$out" '~ * {a,b} x y' "of anything"
exits 2 "an open quote" hf alice "echo 'a"
like "$err" "quote|'" "is named"

# --- what is unknown, what is not allowed -------------------------------------------------------------------------------------------------

exits 127 "an unknown verb" hf alice frobnicate one
like "$err" "frobnicate" "is named"
exits 127 "a program's name is no verb" hf alice /bin/sh -c id
exits 2 "an unknown option" hf alice status one --frob
like "$err" "frob" "is named"
exits 2 "an argument too many" hf alice whoami now
isnt "$err" "" "says so"
exits 77 "another's server" hf bob stop one
isnt "$err" "" "says why"
hf alice status nosuch >/dev/null 2>"$SCRATCH/e1"; c1=$?
hf carol status one >/dev/null 2>"$SCRATCH/e2"; c2=$?
is "$c1" "$c2" "a server that is not there and one that is not hers look the same"
is "$(sed 's/nosuch/NAME/g' "$SCRATCH/e1")" "$(sed 's/\bone\b/NAME/g' "$SCRATCH/e2")" "in words, too"
exits 77 "a right that was not given" hf bob send one hello
exits 77 "nor that" hf bob kill one
exits 77 "nor with only status" hf alice start three
exits 0 "but what was given" hf bob logs one
is "$(hf bob status --json 2>/dev/null | python3 -c 'import json,sys; print(*[json.loads(l)["server"] for l in sys.stdin])')" "one three" \
    "status lists what one may see"
exits 2 "a server must be named where one sees several" hf alice stop
like "$err" "one" "and they are named"
hf carol status >"$SCRATCH/none" 2>&1
is $? 0 "an account without a server has an empty status"

# --- power ------------------------------------------------------------------------------------------------------------------------------

exits 3 "status of what does not run" hf alice status one
exits 0 "status of all" hf alice status
exits 3 "stop of what does not run" hf alice stop one
like "$err" "one|run|offline" "says why"
exits 0 "start --wait" hf alice start one --wait --timeout 20
is "$(field one state)" running "runs"
exits 0 "status of what runs" hf alice status one
exits 3 "start of what runs" hf alice start one
p1=$(field one pid)
exits 0 "restart --wait" hf alice restart one --wait --timeout 20
p2=$(field one pid)
isnt "$p1" "$p2" "is another process"
exits 0 "stop --wait" hf alice stop one --wait --timeout 20
is "$(field one state)" offline "is offline"
is "$(field one exit_code)" 0 "with its exit code"
nok "its process is gone" kill -0 "$p2"
exits 0 "bob starts it" hf bob start one --wait --timeout 20
exits 0 "its exit code is kept" hf alice send one "exit 7"
ended() { state_is one offline || state_is one failed; }
ok "it ends by itself" wait_until 10 ended
is "$(field one exit_code)" 7 "with 7"
hf alice start one --wait --timeout 20 >/dev/null
hf alice send one "die KILL"
ok "it is killed by itself" wait_until 10 ended
is "$(field one signal)" 9 "by signal 9"
exits 0 "start of a server that ignores its end" hf alice start two --wait --timeout 20
hf alice send two deaf
two_says() { hf alice logs two -n 50 | grep -q "$1"; }
wait_until 10 two_says "deaf now"
from=$(now_us)
exits 0 "stop of it" hf alice stop two --wait --timeout 30
atleast $((($(now_us) - from) / 1000)) 1500 "takes its stop_timeout, ms"
is "$(field two state)" offline "and then the kill"
hf alice start two --wait --timeout 20 >/dev/null
exits 0 "kill --wait" hf alice kill two --wait --timeout 10
is "$(field two state)" offline "at once"
printf '#!/bin/sh\nexec /nothing\n' >"$SCRATCH/bad"
put_run two <"$SCRATCH/bad"
hf alice start two --wait --timeout 10 >/dev/null 2>&1
exits 3 "a command that cannot be run" hf alice status two
printf 'rm /two/run\n' | batch alice >/dev/null
exits 1 "start without its command fails" hf alice start two --wait --timeout 10
isnt "$err" "" "and says why: ${err:0:100}"
put_run two <"$HERE/t/payload/echo"

# --- console, send, logs ----------------------------------------------------------------------------------------------------------------

hf alice start one --wait --timeout 20 >/dev/null
exits 0 "send" hf alice send one "'two  words'" more
one_says() { hf alice logs one -n 100 | grep -qF -- "$1"; }
ok "arrives as typed" wait_until 5 one_says "heard: two  words more"
exits 0 "send --expect" hf alice send one --expect 'heard: pi[n]g' --timeout 5 ping
exits 1 "send --expect of what does not come" hf alice send one --expect 'never this' --timeout 1 ping
isnt "$err" "" "says so"
(echo by pipe; sleep 1) | hf alice console one >"$SCRATCH/c.out" 2>"$SCRATCH/c.err"
is "$?" 0 "console as a filter ends with its input"
like "$(<"$SCRATCH/c.out")" "heard: by pipe" "and shows the answer"
unlike "$(<"$SCRATCH/c.out")" $'\x1b|\r' "raw as it came"
exits 3 "console of what does not run" hf alice console two
is "$(hf alice logs one -n 2 | wc -l)" 2 "logs -n 2"
hf alice send one "flood 3000" >/dev/null
wait_until 10 one_says "flood line 2999"
is "$(hf alice logs one -n 3000 | grep -c '^.*flood line')" 3000 "no line of a flood is lost in the log"
timeout 20 "${SSH[@]}" alice logs one -f -n 1 >"$SCRATCH/f.out" 2>/dev/null </dev/null &
follow=$!
wait_until 5 test -s "$SCRATCH/f.out"
hf alice send one "followed?" >/dev/null
ok "logs -f" wait_until 5 grep -q 'heard: followed?' "$SCRATCH/f.out"
kill $follow 2>/dev/null; wait $follow 2>/dev/null
two_views() { grep -q 'heard: both' "$SCRATCH/v1" && grep -q 'heard: both' "$SCRATCH/v2"; }
sleep 6 | "${SSH[@]}" alice console one >"$SCRATCH/v1" 2>/dev/null & v1=$!
sleep 6 | "${SSH[@]}" alice console one >"$SCRATCH/v2" 2>/dev/null & v2=$!
sleep 1
hf alice send one both >/dev/null
ok "two consoles at once see the same" wait_until 5 two_views
wait $v1 $v2

# --- JSON -------------------------------------------------------------------------------------------------------------------------------

for what in "status" "status one" "whoami" "quota" "quota one" "backup list one" "version" "logs one -n 3"; do
    run hf alice $what --json
    if [[ $what == "backup list"* ]] && [ -z "$out" ]; then pass "$what --json of none is empty"; continue; fi
    printf '%s\n' "$out" | json_ok >/dev/null 2>"$SCRATCH/json"
    is "$rc$(<"$SCRATCH/json")" 0 "$what --json is an object a line"
done
ok "status has its keys" json_ok server state since pid ready exit_code signal reason restarts cpu_ms memory memory_peak pids disk_used \
    disk_limit ports < <(hf alice status one --json)
ok "quota has its keys" json_ok server used limit inodes_used inodes_limit backend < <(hf alice quota one --json)
like "$(field one since)" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$' "times are RFC 3339 in UTC"
is "$(field one disk_limit)" $((64 << 20)) "sizes are bytes"
exits 77 "an error with --json" hf bob backup list one --json
error=$err
ok "is an object with error and code" json_ok error code <<<"$error"
is "$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["code"])' "$error")" 77 "and its code"

# --- backups ----------------------------------------------------------------------------------------------------------------------------

exits 0 "backup create" hf alice backup create one first
hf alice backup list one --json >"$SCRATCH/b"
ok "backup list has its keys" json_ok id server state created size label locked <"$SCRATCH/b"
id=$(python3 -c 'import json,sys; print(json.loads(open(sys.argv[1]).readline())["id"])' "$SCRATCH/b")
hf alice backup get one "$id" >"$SCRATCH/b.tar.zst"
is $? 0 "backup get"
ok "holds the files" bash -c "tar --zstd -tf '$SCRATCH/b.tar.zst' | grep -q run"
isnt "$(hf alice backup get one nosuch >/dev/null 2>&1; echo $?)" 0 "of an unknown id fails"
exits 77 "of another's server is not permitted" hf bob backup get one "$id"

# --- many at once ----------------------------------------------------------------------------------------------------------------------------

ssh -F "$SSH_CONFIG" -o ControlMaster=yes -o ControlPath="$SCRATCH/mux" -N -f alice
cleanup ssh -F "$SSH_CONFIG" -o ControlPath="$SCRATCH/mux" -O exit alice
MUX=(timeout 30 ssh -F "$SSH_CONFIG" -o ControlMaster=no -o ControlPath="$SCRATCH/mux" alice)
pids=()
for i in 1 2 3 4 5 6; do "${MUX[@]}" status --json >"$SCRATCH/m$i" 2>&1 & pids+=($!); done
bad=0; for p in "${pids[@]}"; do wait "$p" || bad=$((bad + 1)); done
is $bad 0 "six channels at once on one connection"
is "$(cat "$SCRATCH"/m? | json_ok server state 2>&1)" "" "all answer"
pids=()
for i in $(seq 10); do hf alice status --json >"$SCRATCH/n$i" 2>&1 & pids+=($!); done
bad=0; for p in "${pids[@]}"; do wait "$p" || bad=$((bad + 1)); done
is $bad 0 "ten connections at once"
head -c 300000 /dev/zero | tr '\0' x >"$SCRATCH/long"
"${SSH[@]}" alice "echo $(head -c 100000 "$SCRATCH/long")" >/dev/null 2>"$SCRATCH/err"
isnt $? 255 "a command line of 100 KB does not break the connection: $(head -c 100 "$SCRATCH/err")"
ok "the daemon is up" daemon_up
done_testing
