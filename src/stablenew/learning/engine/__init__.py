"""The numbers behind evidence and recommendations: numpy and scipy, imported only when advice is asked for."""
