#!/bin/bash
# The old scp protocol: scp -O and pscp -scp both ways, odd names, patterns, links, a full disk, rights, and clients that break the rules.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need scp pscp mkfifo
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
allow = bob: files
deny = *.key
[server two]
disk = 600M
allow = bob: files.read
[server three]
allow = alice: status
EOF
rig_up --ini "$SCRATCH/more.ini"
cd "$SCRATCH" || exit 1
ONE=$PREFIX/state/servers/one TWO=$PREFIX/state/servers/two
scp_() { timeout -k 5 "$RUN_BOUND" scp -O -q -F "$SSH_CONFIG" "$@"; }
sum() { sha256sum <"$1" | cut -d' ' -f1; }
# Names, kinds, modes and contents of a tree, byte for byte; with -p the times, too.
tree() { (cd "$1" && find . -printf "%P\0%y%m${2:+ %T@}\0" | sort -z | sed -z 's/\.0000000000$//' | sha256sum && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }

# --- single files -------------------------------------------------------------------------------------------------------------------------------------

head -c 3000000 /dev/urandom >mid; : >empty; printf x >tiny
chmod 0640 mid; chmod 0444 tiny; touch -d '2001-02-03 04:05:06 UTC' mid
ok "a file into a directory" scp_ mid alice:/one/
ok "and to a new name, without a slash in front" scp_ mid alice:one/other
is "$(sum "$ONE/mid") $(sum "$ONE/other")" "$(sum mid) $(sum mid)" "the bytes"
is "$(stat -c '%a' "$ONE/mid")" 640 "the mode"
atleast "$(stat -c %Y "$ONE/mid")" $(($(date +%s) - 100)) "and the time of now"
ok "out" scp_ alice:/one/mid back
ok "is the same" cmp mid back
ok "an empty one, and one that is read-only" scp_ empty tiny alice:/one/
is "$(stat -c '%s %a' "$ONE/empty" "$ONE/tiny")" $'0 644\n1 444' "are there"
ok "several out" scp_ alice:/one/empty alice:/one/tiny .
ok "over one that is there and longer" scp_ tiny alice:/one/other
is "$(stat -c '%s %a' "$ONE/other")" "1 640" "which is cut, and keeps its mode"
ok "-p" scp_ -p mid alice:/one/other
is "$(stat -c '%s %a %Y' "$ONE/other")" "3000000 640 981173106" "sets mode and time"
ok "-p out" scp_ -p alice:/one/other p.back
is "$(stat -c '%s %a %Y' p.back)" "3000000 640 981173106" "the same back"
ok "into one server by its login" scp_ mid alice+one@alice:home.mid
ok "~ is the top" scp_ alice+one@alice:~/home.mid home.back
ok "is the same" cmp mid home.back
exits 1 "a name below a file" scp_ mid alice:/one/mid/x
exits 1 "a name with a slash where no directory is" scp_ mid alice:/one/nothing/
like "$err" "scp: /one/nothing: not a directory" "the reason"
nok "is not made" test -e "$ONE/nothing"
exits 1 "several to what is no directory" scp_ mid tiny alice:/one/nothing
exits 1 "a missing one" scp_ alice:/one/missing .
like "$err" "scp: /one/missing: no such file" "is named"
exits 1 "one that is there beside one that is not" scp_ alice:/one/missing alice:/one/mid beside
exits 1 "a directory without -r" scp_ alice:/one .
like "$err" "not a regular file" "is no file"
ok "scp as it is by default" scp -q -F "$SSH_CONFIG" mid alice:/one/sftp.mid

# --- trees --------------------------------------------------------------------------------------------------------------------------------------------

mkdir -p 't/a b/c' t/empty t/-dir t/shut 't/[x]'
printf 1 >'t/a b/c/1'; printf 2 >t/-dash; printf 3 >'t/sp ace '; printf 4 >$'t/non\xff\xfeutf'; printf 5 >"t/$(printf 'n%.0s' $(seq 255))"
printf 6 >'t/[x]/*'; printf 7 >"t/it's \"\$(q)\" ; & | \`"; printf 8 >t/.hidden; printf 9 >t/shut/in; mkdir 't/a b/many'; touch 't/a b/many/'{1..1500}
chmod 0711 't/a b'; chmod 0600 t/-dash; chmod 0555 t/shut; find t -exec touch -h -d '2011-11-11 11:11:11 UTC' {} +
ok "a tree into a directory" scp_ -r t alice:/one/
is "$(tree "$ONE/t")" "$(tree t)" "all of it, with its modes"
ok "a tree to a new name, -p" scp_ -rp t alice:/one/t2
is "$(tree "$ONE/t2" p)" "$(tree t p)" "with its times"
cp -a t t2
ok "over itself" scp_ -rp t2 alice:/one/
is "$(tree "$ONE/t2" p)" "$(tree t p)" "changes nothing"
ok "out, -p" scp_ -rp alice:/one/t2 t.back
is "$(tree t.back p)" "$(tree t p)" "is the same"
ok "a whole server" scp_ -rp alice+one@alice:. whole
is "$(tree whole/t2 p)" "$(tree t p)" "has it, too"
printf nl >$'t/new\nline'
ok "a newline in a name" scp_ -r t alice:/one/nl
printf nl | as_server one tee nl/$'real\nline' >/dev/null
ok "and out" scp_ -r alice:/one/nl nl.back
is "$(<'nl.back/real\^Jline')" nl "is written as OpenSSH does"
exits 1 "all servers at once" scp_ -r alice:/ all
like "$err" "scp: /: only servers are here; name one" "are refused in clear words"
path=deep; for _ in $(seq 69); do path=$path/d; done; as_server one mkdir -p "$path"
exits 1 "a tree that is too deep" scp_ -r alice:/one/deep deep.back
like "$err" "too deep" "says so"
is "$(find deep.back -type d | wc -l)" 64 "down to where it is"

# More names than are kept at once.
as_server one bash -c 'path=wide && for _ in 1 2 3; do mkdir -p $path && (cd $path && touch "$(printf "w%.0s" $(seq 200))"{1..500}) && path=$path/w; done'
ok "a tree of large directories" scp_ -r alice:/one/wide wide.back
is "$(find wide.back | sort | sha256sum)" "$(cd "$ONE" && find wide | sed 's/^wide/wide.back/' | sort | sha256sum)" "all of it"
rm -rf "$ONE/wide"

# --- patterns -----------------------------------------------------------------------------------------------------------------------------------------

mkdir g g.out; printf a >g/a.txt; printf b >g/b.txt; printf c >'g/[ab].txt'; printf d >g/.d.txt; mkdir g/sub; printf s >g/sub/c.txt
ok "a folder for patterns" scp_ -r g alice:/one/
fetched() { rm -rf g.out; mkdir g.out; scp_ "$@" g.out >/dev/null 2>g.err; rc=$?; ls -A g.out | tr '\n' ' '; }
is "$(fetched 'alice:/one/g/*.txt')" "[ab].txt a.txt b.txt " "*.txt"
is "$(fetched 'alice:/one/g/?.txt')" "a.txt b.txt " "?.txt"
is "$(fetched 'alice:/one/g/[ac-z].txt')" "a.txt " "a set"
is "$(fetched 'alice:/one/g/.*')" ".d.txt " "a period by a period"
is "$(fetched 'alice:/one/g/\[ab\].txt')" "[ab].txt " "a quoted pattern is a name"
is "$(fetched 'alice:/one/g/[n]othing')" "" "a pattern that nothing fits"
like "$(<g.err)" 'scp: /one/g/\[n\]othing: no such file' "is taken for a name"
is "$(fetched 'alice:/one/*/*/c.txt')$(fetched 'alice:/o*/g/s*/c.???')" "c.txt c.txt " "patterns in the middle"
is "$(fetched -r 'alice:/one/[g]')" "g " "of a directory"
is "$(fetched 'alice:/*/mid')" "mid " "of a server"

# --- links and other things -----------------------------------------------------------------------------------------------------------------------------

as_server one bash -c 'mkdir links && cd links && ln -s /etc/passwd escape && ln -s ../../../../etc/passwd up && ln -s .. loop && ln -s ../mid inside && ln -s none dangling &&
    mkfifo fifo && printf z >z'
mkdir links.back
exits 1 "a link out of the server" scp_ alice:/one/links/escape alice:/one/links/up links.back
is "$(grep -c "links/[a-z]*: the path leaves this server" <<<"$err")" 2 "is not followed"
is "$(ls links.back)" "" "nothing came"
ok "one inside is" scp_ alice:/one/links/inside links.inside
ok "to the file" cmp links.inside mid
exits 1 "a file over a link out of it" scp_ mid alice:/one/links/escape
exits 1 "a tree into one" scp_ -r g alice:/one/links/up/
exits 1 "a FIFO" scp_ alice:/one/links/fifo fifo.back
like "$err" "scp: /one/links/fifo: not a regular file" "is said to be none"
exits 1 "onto a FIFO" scp_ mid alice:/one/links/fifo
rm "$ONE/links/loop"
exits 1 "a tree with all of them" scp_ -r alice:/one/links links.tree
is "$(ls links.tree | tr '\n' ' ')" "inside z " "the rest of it comes"
is "$(grep -c 'links/' <<<"$err")" 4 "a warning each"

# --- what the admin hides ----------------------------------------------------------------------------------------------------------------------------------

printf canary | as_server one tee g/x.key >/dev/null
exits 1 "a hidden file" scp_ alice:/one/g/x.key x.key
exits 1 "over one" scp_ mid alice:/one/g/x.key
exits 1 "a new one" scp_ mid alice:/one/g/y.key
exits 1 "a folder of such a name" scp_ -r g alice:/one/z.key
is "$(fetched 'alice:/one/g/*.key')$(fetched 'alice:/one/g/x.*')" "" "a pattern does not find it"
ok "the tree it stands in" scp_ -r alice:/one/g hidden.back
nok "comes without it" test -e hidden.back/x.key
is "$(cat "$ONE/g/x.key") $(ls -d "$ONE/g/y.key" "$ONE/z.key" 2>/dev/null)" "canary " "it is as it was, and nothing was made"

# --- rights -----------------------------------------------------------------------------------------------------------------------------------------------

exits 0 "into the server that bob may read" scp_ mid alice:/two/
exits 0 "bob reads" scp_ bob:/two/mid bob.back
exits 1 "bob writes" scp_ mid bob:/two/new
like "$err" "your account does not have files.write" "is refused with the right he lacks"
exits 1 "a tree as well" scp_ -r g bob:/two/
exits 1 "over it" scp_ tiny bob:/two/mid
is "$(ls "$TWO")" mid "nothing has changed"
exits 1 "a server of which one may see the state only, in" scp_ mid alice:/three/x
exits 1 "and out" scp_ -r alice:/three .
exits 1 "a server that is not to be seen, in" scp_ mid alice:/four/x
like "$err" "scp: /four/x: no such file" "is not there"
held() { stat -c %s "$ONE/held" 2>/dev/null | grep -qx 5; }
( timeout 30 "${SSH[@]}" bob "scp -t /one/held" < <(printf 'C0644 1000 held\nhello'; exec sleep 20) >held.out 2>held.err; echo $? >held.rc ) & holder=$!
head -c 30M /dev/zero | as_server one tee large >/dev/null
mkfifo stuck
( timeout 30 "${SSH[@]}" bob "scp -f /one/large" < <(head -c 2 /dev/zero; exec sleep 20) >stuck 2>stuck.err; echo $? >stuck.rc ) &
exec 7<stuck
ok "bob is in the middle of sending" wait_until 10 held
head -c 100000 <&7 >/dev/null
sed -i 's/^allow = bob: files$/allow = bob: status/' "$CONFIG/servers.d/rig.ini"
ok "his right is taken away" timeout 30 "$TOOL" --run "$RUN" reload
cat <&7 >/dev/null & exec 7<&-
ok "it ends" wait_until 5 test -s stuck.rc
is "$(cat stuck.rc)" 77 "the one that was fetched, with 77"
is "$(pgrep -x -P "$(role_pids d | head -n1)" holdfast-files 2>/dev/null | wc -l)" 0 "no worker is left of either"
size=$(stat -c %s "$ONE/held")
wait $holder
is "$(cat held.rc)" 77 "so does the one that was sent"
like "$(cat held.err)" "one: the right to do this was taken away" "and says why"
is "$size" 5 "not a byte more was written"

# --- large, and more than there is ---------------------------------------------------------------------------------------------------------------------------

head -c 200M /dev/urandom >large
ok "200 MB in" scp_ large alice:/two/large
ok "and out" scp_ alice:/two/large large.back
is "$(sum large.back)" "$(sum large)" "the same"
rm "$ONE/large"
head -c 62M large >nearly; printf after >after; as_server one mkdir f
exits 1 "more than the disk holds" scp_ tiny nearly after alice:/one/f
like "$err" "scp: /one/f/nearly: quota exceeded \(64 MiB of 64 MiB\)" "is said, of the file that did not fit"
like "$err" "scp: /one/f/after: quota exceeded" "and of the one after it"
is "$(cat "$ONE/f/tiny")" x "the one before is there"
rm -r "$ONE/f"

# --- a worker that dies ---------------------------------------------------------------------------------------------------------------------------------------

kill_worker() { local p; for p in $(role_pids files); do kill -9 "$p"; done; }
( { printf 'C0644 500000000 dies\n'; head -c 500M /dev/zero 2>/dev/null; } | timeout 60 "${SSH[@]}" alice "scp -t /two/dies" >dies.out 2>dies.err; echo "${PIPESTATUS[1]}" >dies.rc ) & dying=$!
begun() { [ "$(stat -c %s "$TWO/dies" 2>/dev/null || echo 0)" -gt 1000000 ]; }
ok "a file is being sent" wait_until 10 begun
kill_worker; wait $dying
is "$(cat dies.rc)" 69 "its worker dies: exit 69"
like "$(cat dies.err)" "two: the worker for this server's files has ended" "and says so"
atmost "$(stat -c %s "$TWO/dies")" 499999999 "it was in the middle"
( timeout 60 "${SSH[@]}" alice "scp -r -f /one/t" < <(head -c 7 /dev/zero; exec sleep 30) >dies.out 2>dies.err; echo $? >dies.rc ) & dying=$!
ok "a tree is being fetched" wait_until 10 grep -aq ^C dies.out
kill_worker; wait $dying
is "$(cat dies.rc)" 69 "its worker dies: exit 69"
ok "the next is served" scp_ tiny alice:/one/next
rm "$TWO/dies"

# --- pscp ------------------------------------------------------------------------------------------------------------------------------------------------

KEYS=(); for f in "$CONFIG"/*_key.pub; do KEYS+=(-hostkey "$(ssh-keygen -l -f "$f" | cut -d' ' -f2)"); done
install -m 0600 "$KEY" pscp.key
puttygen=$(command -v puttygen) && "$puttygen" "$KEY" -O private -o pscp.ppk
pscp_() { HOME=$SCRATCH timeout -k 5 60 pscp -scp -batch -q -P "$PORT" -i pscp.ppk "${KEYS[@]}" "$@"; }
ok "pscp -scp in" pscp_ -p mid "alice@$HOST:/one/p.mid"
is "$(sum "$ONE/p.mid") $(stat -c %Y "$ONE/p.mid")" "$(sum mid) 981173106" "the bytes and the time"
ok "out" pscp_ "alice@$HOST:/one/p.mid" p.mid
ok "is the same" cmp mid p.mid
ok "a tree" pscp_ -r g "alice@$HOST:/one/pg"
ok "and out" pscp_ -r "alice@$HOST:/one/pg" pg
is "$(cd pg && find . -type f -exec sha256sum {} + | sort)" "$(cd g && find . -type f -exec sha256sum {} + | sort)" "is the same"
isnt "$(pscp_ "alice@$HOST:/one/missing" x >/dev/null 2>&1; echo $?)" 0 "what is missing"
is "$(pscp_ -unsafe "alice@$HOST:/one/g/?.txt" . >/dev/null 2>&1; cat a.txt b.txt)" ab "a pattern"

# --- byte by byte ----------------------------------------------------------------------------------------------------------------------------------------

head -c 8M /dev/zero | tr '\0' s | as_server one tee shrinks >/dev/null
timeout 100 "$HERE/t/lib/scp_raw.py" "$HOST" "$PORT" "$KEY" >raw.out 2>raw.err
code=$?
import_results raw.out "raw: "
is "$code" 0 "raw: the script ran to its end"
[ "$code" = 0 ] || diag "$(tail -n 5 raw.err)"

ok "no files worker is left" wait_until 5 eval '[ -z "$(role_pids files)" ]'
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
unlike "$(grep -c 'broke a rule' "$LOG")" '[1-9]' "nor a rule between roles"
done_testing
