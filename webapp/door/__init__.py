"""The door: passes for its devices, scans, who came."""
