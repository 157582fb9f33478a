# SPDX-License-Identifier: GPL-2.0
# The latency distributions of the four runs; demo/run writes the .cdf files.
set terminal svg size 860,480 font "sans-serif,14" background "#ffffff"
set output "latency.svg"
set title "Inference latency on a GPU shared with training (mock MI300X)"
set xlabel "request latency, ms (log scale)"
set ylabel "requests answered within it, %"
set logscale x
set xrange [10:10000]
set yrange [0:104]
set ytics 25
set mytics 5
set grid xtics ytics lc rgb "#dddddd" lt 1
set border 3 lc rgb "#666666"
set tics nomirror
set key at graph 0.97,0.42 right Left reverse samplen 2
plot "stock.cdf" with steps lw 3 lc rgb "#d55e00" title "stock amdkfd", \
     "userspace.cdf" with steps lw 3 lc rgb "#e69f00" title "poller in user space", \
     "gpreempt.cdf" with steps lw 3 lc rgb "#0072b2" title "GPREEMPT", \
     "alone.cdf" with steps lw 3 dt 2 lc rgb "#222222" title "inference alone"
