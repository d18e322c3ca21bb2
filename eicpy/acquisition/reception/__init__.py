"""Reception: connections and datagrams in, whole packets into the run that is open."""
