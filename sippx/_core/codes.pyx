# sippx/_core/codes.pyx: gives Python the enumerations of codes.pxd.
