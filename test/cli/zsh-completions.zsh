# Prints what zsh offers for a line: zsh -f zsh-completions.zsh SCRIPT LINE
# The marks are written in two parts, so that the echo of what is typed is not taken for them.
# Completion works in an interactive shell only, so there is one, in a terminal of its own.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; autoload -Uz compinit; compinit -D -u; source $1"
zpty -w shell 'stty -echo; setopt no_beep; unsetopt zle_bracketed_paste'
# Whatever completion finds goes through compadd; with -O, -A and -D it only sorts
zpty -w shell 'compadd() {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  local -a found; builtin compadd -A found "$@"
  (( $#found )) && printf "<%s>\n" $found
  builtin compadd "$@"
}'
zpty -w shell 'zle -C offer list-choices _main_complete
offer-and-end() { zle offer; print "<<EN""D>>"; exit }
zle -N offer-and-end; bindkey "^I" offer-and-end; print "<<REA""DY>>"'
while zpty -r shell line; do [[ $line == *'<<READY>>'* ]] && break; done
sleep 0.2
zpty -w -n shell "$2"$'\t'
while zpty -r shell line; do
  [[ $line == *'<<END>>'* ]] && break
  [[ $line == *\<*\>* ]] && print -r -- ${${line##*\<}%%\>*}
done
zpty -d shell
