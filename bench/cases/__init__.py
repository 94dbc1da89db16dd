"""The cases, by the letters that select them. Each module has TITLE and run(context)."""

from cases import (a_uncontended, b_throughput, c_processes, d_threads, e_holding, f_waiting, g_loss,
                   h_command)

ALL = {"A": a_uncontended, "B": b_throughput, "C": c_processes, "D": d_threads, "E": e_holding,
       "F": f_waiting, "G": g_loss, "H": h_command}
COMPARED = "ABC"  # run on every server; the others on the first one only
