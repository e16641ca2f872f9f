# The last complete sample in a few words.
/}$/ { flight = figure("in_flight"); live = figure("live") }
END { print flight " in flight, heap " size(live) }
