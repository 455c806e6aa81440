#!/bin/sh
# policyc names the file, the line and what is wrong.
c=$PWD/sandbox/lock/policyc
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0
refuse() {   # LINE, TEXT of the policy, WORDS expected
    printf '%b' "$2" >"$dir/x.policy"
    if said=$("$c" "$dir/x.policy" 2>&1 >/dev/null); then
        echo "accepted: $2"; failed=1
    fi
    case $said in
    "$dir/x.policy:$1: "*"$3"*) ;;
    *) echo "for '$2': got '$said'"; failed=1 ;;
    esac
}
refuse 2 'default kill\nallow raed # x\n' "unknown system call 'raed'"
refuse 1 'allow read\n' 'needs a reason'
refuse 1 'allow read # \n' 'needs a reason'
refuse 1 'allow read arg6 == 1 # x\n' 'arg0 ... arg5'
refuse 1 'allow read arg0 = 1 # x\n' 'no operator'
refuse 1 'allow read arg0 == NOPE # x\n' "'NOPE' is neither"
refuse 1 'allow read arg0 == 1 or arg1 == 2 # x\n' "joined by 'and'"
refuse 1 'allow read arg0 == 1 and # x\n' "joined by 'and'"
refuse 1 'errno EWHAT read # x\n' "'EWHAT' is no error name"
refuse 1 'permit read # x\n' "'permit' is unknown"
refuse 2 'default kill\ndefault kill\n' 'a second default'
refuse 1 'default allow\n' "default is 'kill'"
refuse 2 'allow read # x\nerrno EPERM read # y\n' 'never reached'
refuse 0 'allow read # x\n' 'no default'
refuse 1 'include nowhere.policy\n' 'nowhere.policy: No such file'
refuse 1 'include x.policy\n' 'nested too deeply'
refuse 1 'never allow read # x\n' "'never' is said of a refusal"
refuse 1 'needed errno EPERM read # x\n' "'needed' of what is allowed"
printf 'default kill\noptional allow raed # x\n' >"$dir/y.policy"
"$c" "$dir/y.policy" >/dev/null || failed=1
grep -q '"read", 0\|"read", 63' <<E || { echo "--calls lacks read"; failed=1; }
$("$c" --calls)
E
printf 'default kill\nnever errno EPERM read arg0 == 3 # say "why"\n' >"$dir/z.policy"
"$c" --rows "$dir/z.policy" | grep -q '.never = 1, .needed = 0, .nconditions = 1.*.text = "arg0 == 3", .reason = "say \\"why\\""' || { echo "--rows"; failed=1; }
exit $failed
