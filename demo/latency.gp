# SPDX-License-Identifier: GPL-2.0
# The latency distributions of the four runs; demo/run writes the .cdf files.
set terminal svg size 900,500 font "sans-serif,14" background "#ffffff"
set output "latency.svg"
set title "Inference requests on a GPU that training keeps full (mock MI300X)"
set xlabel "latency of a request, ms (log scale)"
set ylabel "requests answered within it, %"
set logscale x
set xrange [18:4000]
set yrange [0:103]
set xtics (20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000)
set ytics 25
set mytics 5
set grid xtics ytics lc rgb "#dddddd" lt 1
set border 3 lc rgb "#666666"
set tics nomirror
set key at 55,62 top left Left reverse samplen 3 spacing 1.3 noopaque
# The two in the middle lie close together: a broad line below a narrow one
plot "alone.cdf" with steps lw 3 dt 2 lc rgb "#222222" title "inference alone", \
     "userspace.cdf" with steps lw 7 lc rgb "#f0c060" title "with training: poller in user space", \
     "gpreempt.cdf" with steps lw 2.5 lc rgb "#0060a0" title "with training: GPREEMPT", \
     "stock.cdf" with steps lw 3 lc rgb "#d55e00" title "with training: stock amdkfd"
