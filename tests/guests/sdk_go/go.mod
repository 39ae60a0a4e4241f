module sdk_go

go 1.24
