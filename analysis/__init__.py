import os

# What little linear algebra there is needs one thread. For each further one OpenBLAS, which numpy loads, takes memory
# when it is loaded, and where that is short it writes lines of its own and ends the process.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
