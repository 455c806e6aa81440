#!/bin/bash
# Roles, rights that are taken, ceilings: what is printed, what is refused, and that nobody gives himself more.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
for who in carol dave; do ssh-keygen -q -t ed25519 -N '' -C $who -f "$SCRATCH/$who"; done
cat >"$SCRATCH/more.ini" <<EOF
[server one]
allow = bob: operator -kill
allow = carol: viewer backup.create
allow = dave: owner
[account carol]
key = $(<"$SCRATCH/carol.pub")
[account dave]
key = $(<"$SCRATCH/dave.pub")
rights = viewer
[server hers]
owner = dave
command = ./run
disk = 16M
EOF
rig_up --ini "$SCRATCH/more.ini"
A=$CONFIG/accounts.d/rig.ini S=$CONFIG/servers.d/rig.ini
cd "$SCRATCH" || exit 1
OPTIONS=(-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o BatchMode=yes
    -o LogLevel=ERROR)
by() { local who=$1; shift; timeout 60 ssh "${OPTIONS[@]}" -i "$SCRATCH/$who" -p "$PORT" "$who@$HOST" "$@"; }
files_by() { timeout 60 sftp "${OPTIONS[@]}" -i "$SCRATCH/$1" -P "$PORT" -b - "$1@$HOST"; }
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }

# --- printed --------------------------------------------------------------------------------------------------------------------------------

text=$("$DAEMON" -c "$CONFIG" -T)
like "$text" $'\nallow = bob: status start stop console send logs files.read backup.create backup.read activity\n' "-T: a role without one right is told right by right"
like "$text" $'\nallow = dave: owner\n' "-T: a whole role by its name"
like "$text" $'\nrights = viewer\n' "-T: so is a ceiling"
like "$text" $'\nrights = \*\n' "-T: which is everything without one"
like "$(by carol whoami)" 'server one \(of alice\): status console logs backup.create$' "whoami: rights that are no role"
like "$(hf bob whoami)" 'server three \(yours\): owner: status start ' "whoami: an owner"
is "$(by dave whoami | grep server)" $'server hers (yours): viewer: status console logs\nserver one (of alice): viewer: status console logs' \
    "whoami: under a ceiling an owner is a viewer of his own"
is "$(by dave whoami --json | python3 -c 'import json, sys; print(*[(v["role"], v["rights"]) for v in json.load(sys.stdin)["servers"]])')" \
    "('viewer', ['status', 'console', 'logs']) ('viewer', ['status', 'console', 'logs'])" "whoami --json"
is "$(by carol whoami --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["servers"][0]["role"])')" None "whoami --json: no role is null"

# --- held -----------------------------------------------------------------------------------------------------------------------------------

put_run one <"$HERE/t/payload/echo"
exits 0 "an operator starts" hf bob start one --wait --timeout 30
exits 77 "and may not kill, which was taken" hf bob kill one
like "$err" 'it needs the right: kill' "which is said"
ok "an operator reads files" batch bob <<<'get /one/run got'
nok "and writes none" batch bob <<<'put got /one/new'
exits 0 "a viewer looks" by carol status one
exits 77 "stops nothing" by carol stop one
exits 77 "types nothing" by carol send one x
exits 0 "and does what was given besides" by carol backup create one
nok "a viewer reads no files" files_by carol <<<'get /one/run stolen'
like "$(by carol sha256sum /one/run 2>&1)" 'may not use its files' "nor learns their digests"
exits 77 "nor the records" by carol activity one
exits 77 "a ceiling holds on an own server" by dave start hers
nok "and on its files" files_by dave <<<'put got /hers/run'
exits 77 "and on what was given" by dave stop one

# --- raising oneself ------------------------------------------------------------------------------------------------------------------------

before=$(by carol whoami; by dave whoami)
for what in "allow carol owner" "rights carol '*'" "account passwd dave" "reload" "kick alice" "server show one" "grant one carol kill"; do
    exits 127 "no verb: $what" by carol "$what"
done
printf 'rights="*" %s\n' "$(<carol.pub)" >raised
files_by carol <<<'put raised /.ssh/authorized_keys' >/dev/null 2>&1
is "$(by carol whoami | grep '^server')" "$(grep -m1 '^server one' <<<"$before")" "no option of an own key"
printf '[account carol]\nrights = *\n' >ini
for where in /one/../../etc/accounts.d/x.ini /.ssh/x.ini /backups/x.ini /x.ini /hers/x.ini; do
    nok "no file: $where" files_by carol <<<"put ini $where"
done
nok "not the socket of the tool" setpriv --reuid 1234 --clear-groups "$TOOL" --run "$RUN" kick alice
for user in "carol+one" "carol+hers" "carol+three"; do
    nok "no name: $user" timeout 60 ssh "${OPTIONS[@]}" -i carol -p "$PORT" "$user@$HOST" stop
done
ok "a server's code tries" hf alice "send one --expect '^done ' --timeout 20 'sh echo x >$CONFIG/accounts.d/x.ini'"
like "$out" '\([1-9]' "and fails"
nok "nor a server's code" test -e "$CONFIG/accounts.d/x.ini"
ssh-keygen -q -t ed25519 -N '' -C more -f more
cat carol.pub more.pub >both
ok "an own key is one's own to add" files_by carol <<<'put both /.ssh/authorized_keys'
is "$(timeout 60 ssh "${OPTIONS[@]}" -i more -p "$PORT" "carol@$HOST" whoami | grep server)" "$(by carol whoami | grep server)" "and has no more than its account"
is "$(by carol whoami; by dave whoami)" "$before" "nobody has more than before"

# --- refused --------------------------------------------------------------------------------------------------------------------------------

save() { cp "$S" S; cp "$A" A; }
back() { cat S >"$S"; cat A >"$A"; }
save
for line in "operator -fly" "admin" "-kill" "start -start" "start -status"; do
    sed -i "s/^allow = carol: .*/allow = carol: $line/" "$S"
    exits 1 "refused: allow = carol: $line" reload
    like "$out$err" 'rig.ini:[0-9]+: ' "refused: with its line"
    back
done
sed -i "s/^allow = carol: .*/allow = carol: admin/" "$S"
exits 1 "an unknown word" reload
like "$out$err" "'admin' is no right; allowed: status start .*owner operator viewer, -WORD" "is told with all there are"
back
sed -i 's/^rights = viewer/rights = reader/' "$A"
exits 1 "one in a ceiling" reload
like "$out$err" "'reader' is no right; allowed: status" "as well"
back
exits 0 "put right, it is taken" reload
ok "the daemon is up" daemon_up
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
